"""The evaluation report of a model that writes: log-likelihood, perplexity, and overlap with references.

Legend: N texts, G groups, B resamples, K counts of overlap.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EvaluateConfig, GateConfig
from pipeline.base.documents import EvaluationReport, ModelScores, PublishedScores, SliceDifference
from pipeline.base.documents.evaluation import GenerationReport, SubsetScores, TaskScores
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import GENERATION
from pipeline.base.tasks.scores import LOG_LIKELIHOOD
from pipeline.core.evaluate import bootstrap
from pipeline.core.evaluate.paired_bootstrap import PairedMetric, PairedPredictions
from pipeline.core.evaluate.regressions import HeldAgainst, regression_rows
from pipeline.core.evaluate.report import (
    LabelledPredictions,
    ScoredTexts,
    paired_gain,
    report_sampling,
    require_test_texts,
)
from pipeline.core.evaluate.slices import slice_members
from pipeline.core.writing.outcomes import WrittenAnswers, paired_texts
from pipeline.core.writing.overlap import overlap, overlap_counts

QUARTILES = (0.25, 0.5, 0.75)


def generation_report(
    test: LabelledPredictions,
    *,
    baselines: Mapping[str, Sequence[int]],
    cfg: EvaluateConfig,
    seed: int,
    reserved: int,
) -> EvaluationReport:
    """Build the document of `evaluation.json`; nothing in it is about labels.

    Raises DataRejected when the test set is empty.
    """
    require_test_texts(test)
    sampling = report_sampling(cfg, seed)
    own: TaskScores = {"task": GENERATION, "generation": generation_figures(test, sampling)}
    slices = slice_members(test.texts, test.sources, test.langs, cfg)
    return {
        **model_scores(test, test.predicted, sampling),
        **own,
        "labels": [],
        "texts": len(test.truth),
        "reserved": reserved,
        "per_class": {},
        "confusion": [],
        "slices": {name: _scores(test, test.predicted, rows) for name, rows in slices.items()},
        "calibration": None,
        "behaviour": {},
        "attack": None,
        "human": None,
        "baselines": {
            name: {**model_scores(test, predicted, sampling), "gain": paired_gain(test, predicted, sampling)}
            for name, predicted in sorted(baselines.items())
        },
    }


def published_likelihood(reserve: ScoredTexts, cfg: EvaluateConfig, seed: int) -> PublishedScores | None:
    """Measure a promoted candidate on the reserve, on which nothing was chosen; None where it is empty."""
    if not reserve.truth:
        return None
    scores = model_scores(reserve, reserve.predicted, report_sampling(cfg, seed))
    return {**scores, "texts": len(reserve.truth)}


def model_scores(
    test: ScoredTexts, predicted: Sequence[int], sampling: bootstrap.BootstrapConfig
) -> ModelScores:
    """Compute the log-likelihood of a token by a model or a baseline, by source too, with its interval."""
    values_B = _resampled(_items(test).sums_A2[np.asarray(predicted)], test.groups, sampling)
    sources_N = np.asarray(test.sources)
    scores = {
        LOG_LIKELIHOOD: float(_likelihood(_items(test).sums_A2[np.asarray(predicted)].sum(axis=0))),
        "per_source": {
            name: _scores(test, predicted, np.flatnonzero(sources_N == name).tolist())
            for name in sorted(set(test.sources))
        },
        "intervals": {LOG_LIKELIHOOD: _interval(_likelihood(values_B), sampling)},
    }
    return cast(ModelScores, scores)


def generation_figures(test: ScoredTexts, sampling: bootstrap.BootstrapConfig) -> GenerationReport:
    """Measure perplexity, over all tokens and by text, and BLEU and chrF where there are references."""
    sums_N2 = _items(test).sums_A2[np.asarray(test.predicted)]
    perplexity_B = np.exp(-_likelihood(_resampled(sums_N2, test.groups, sampling)))
    by_text_N = np.exp(-_likelihood(sums_N2))
    pairs = paired_texts(_items(test), test.truth, test.predicted)
    rows = [row for row, (reference, _) in enumerate(pairs) if reference]
    intervals = {"perplexity": _interval(perplexity_B, sampling)}
    found: GenerationReport = {
        "perplexity": float(np.exp(-_likelihood(sums_N2.sum(axis=0)))),
        "perplexity_quartiles": np.quantile(by_text_N, QUARTILES).tolist(),
        "tokens": int(sums_N2[:, 1].sum()),
        "references": len(rows),
        "bleu": None,
        "chrf": None,
        "intervals": intervals,
    }
    if rows:
        counts_NK = overlap_counts([pairs[row] for row in rows])
        whole = overlap(counts_NK.sum(axis=0))
        resampled = overlap(_resampled(counts_NK, [test.groups[row] for row in rows], sampling))
        found["bleu"], found["chrf"] = float(whole.bleu), float(whole.chrf)
        intervals["bleu"] = _interval(resampled.bleu, sampling)
        intervals["chrf"] = _interval(resampled.chrf, sampling)
    return found


class WritingFigures:
    """Measure what models write, beside the likelihood by which they are compared."""

    def measure(self, test: ScoredTexts, sampling: bootstrap.BootstrapConfig) -> TaskScores:
        """Measure perplexity, BLEU and chrF with their intervals."""
        return {"task": GENERATION, "generation": generation_figures(test, sampling)}

    def compare(
        self, pair: PairedPredictions, *, champion: str, gate: GateConfig, seed: int
    ) -> list[SliceDifference]:
        """Compare BLEU and chrF of both models on the same texts; no row where there is no reference."""
        assert isinstance(pair.items, WrittenAnswers)
        texts = [paired_texts(pair.items, pair.truth, one) for one in (pair.candidate, pair.champion)]
        rows = [row for row, (reference, _) in enumerate(texts[0]) if reference]
        if not rows:
            return []
        counts_N2K = np.stack([overlap_counts([one[row] for row in rows]) for one in texts], axis=1)
        draw = seed_for(seed, "gate", "writing")
        sampling = bootstrap.BootstrapConfig(gate.resamples, gate.confidence, draw)
        family = _paired_overlap(counts_N2K, [pair.groups[row] for row in rows], sampling)
        held = [HeldAgainst(champion, metric) for metric in family]
        return regression_rows(held, margin=gate.generation.overlap_margin, gate=gate)


def _paired_overlap(
    counts_N2K: NDArray[np.float64], groups: Sequence[object], sampling: bootstrap.BootstrapConfig
) -> list[PairedMetric]:
    _, group_N = np.unique(np.asarray(groups), return_inverse=True)
    counts_G2K = _summed(counts_N2K, group_N)
    sums_B2K = bootstrap.bootstrap_sums(counts_G2K, resamples=sampling.resamples, seed=sampling.seed)
    whole, resampled = overlap(counts_N2K.sum(axis=0)), overlap(sums_B2K)
    differing = int((counts_G2K[:, 0] != counts_G2K[:, 1]).any(axis=1).sum())
    return [
        PairedMetric(
            name, len(counts_N2K), float(both[0]), float(both[1]), drawn[:, 0] - drawn[:, 1], differing
        )
        for name, both, drawn in (("chrF", whole.chrf, resampled.chrf), ("BLEU", whole.bleu, resampled.bleu))
    ]


def _items(test: ScoredTexts) -> WrittenAnswers:
    assert isinstance(test.items, WrittenAnswers)
    return test.items


def _scores(test: ScoredTexts, predicted: Sequence[int], rows: Sequence[int]) -> SubsetScores:
    sums_2 = _items(test).sums_A2[np.asarray(predicted)[list(rows)]].sum(axis=0)
    return cast(SubsetScores, {LOG_LIKELIHOOD: float(_likelihood(sums_2)), "texts": len(rows)})


def _likelihood(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-likelihood of a token, from that of all and their number; ...x2 to ...."""
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1.0))


def _resampled(
    values_NK: NDArray[np.float64], groups: Sequence[object], sampling: bootstrap.BootstrapConfig
) -> NDArray[np.float64]:
    """Sum values over resampled groups; BxK."""
    _, group_N = np.unique(np.asarray(groups), return_inverse=True)
    sums_GK = _summed(values_NK, group_N)
    return bootstrap.bootstrap_sums(sums_GK, resamples=sampling.resamples, seed=sampling.seed)


def _summed(values: NDArray[np.float64], group_N: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = np.zeros((int(group_N.max()) + 1, *values.shape[1:]))
    np.add.at(sums, group_N, values)
    return sums


def _interval(values_B: NDArray[np.float64], sampling: bootstrap.BootstrapConfig) -> list[float]:
    return list(bootstrap.percentile_interval(values_B, confidence=sampling.confidence))
