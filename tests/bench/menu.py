"""The compression menu beside its peer, transformers' pipeline on the teacher: part of `make bench`.

    tests/bench/menu.py [WORKSPACE] [--menu-only]

Needs what `make run` leaves, here or in the workspace. Beside the menu of params.yaml it makes pruned
variants, which takes minutes for each. Prints figures and judges none; peer and variants take turns, so that
a slow minute is everybody's.
"""

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from text_table import print_table

ROOT = Path(__file__).resolve().parents[2]
THREADS = 2
# Wider than params.yaml: what a share less of one kind costs, and what it gives.
MORE = (
    {
        "name": "small-int8",
        "vocabulary_min_count": 1,
        "layers": 0.66,
        "heads": 0.66,
        "feed_forward": 0.66,
        "int8": True,
    },
    {
        "name": "short-int8",
        "vocabulary_min_count": 1,
        "layers": 0.66,
        "heads": 1.0,
        "feed_forward": 1.0,
        "int8": True,
    },
    {
        "name": "slim-int8",
        "vocabulary_min_count": 1,
        "layers": 0.66,
        "heads": 0.83,
        "feed_forward": 0.66,
        "int8": True,
    },
    {
        "name": "tiny-int8",
        "vocabulary_min_count": 2,
        "layers": 0.5,
        "heads": 0.5,
        "feed_forward": 0.5,
        "int8": True,
    },
)
# drop: of macro F1 against the teacher, on the half of the validation split that chooses, and on the test
# split; p50, p95: ms of one text and of 32.
HEADS = (
    *(
        "variant",
        "MB",
        "parameters",
        "drop",
        "at most",
        "agrees",
        "worst slice at most",
        "test drop",
        "test agrees",
    ),
    *("p50", "p95", "p50-32", "p95-32", "texts/s", "x peer"),
)
PEER_BATCHES = (1, 4, 8, 16, 32, 64)
PEER_TEXTS, OUR_TEXTS, ROUNDS = 192, 1536, 5
WORLDS = 10


def main() -> None:
    """Make, measure and print the menu."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workspace", type=Path, nargs="?", default=ROOT)
    parser.add_argument("--menu-only", action="store_true", help="no further pruned variants")
    asked = parser.parse_args()
    root, data = asked.workspace, asked.workspace / "data"
    if not (data / "classifier" / "receipt.json").is_file():
        print("menu: no classifier yet; type `make run`")
        return
    from pipeline.base import logs
    from pipeline.base.config import CompressConfig, Profile
    from pipeline.io import parquet
    from pipeline.io.params_file import load_params
    from pipeline.io.security.ray_cluster import RayCluster
    from pipeline.stages.compress import open_factory
    from pipeline.stages.context import TrainingContext

    logs.configure(json=False, debug=False)
    params = load_params(root / "params.yaml")
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=THREADS, stage_minutes=30)
    values = params.compress.model_dump()
    cfg = CompressConfig.model_validate(
        {**values, "menu": (*values["menu"], *(() if asked.menu_only else MORE))}
    )
    with tempfile.TemporaryDirectory(prefix="tonewatch-menu-") as folder:
        place = Path(folder)
        training = TrainingContext(
            params.seed, profile, place, place, "", RayCluster("local", place / "token")
        )
        factory = open_factory(
            data / "classifier",
            data / "splits",
            labels=params.collect.labels,
            max_tokens=params.encoder.max_tokens,
            cfg=cfg,
            training=training,
        )
        models = {variant.name: factory.make(variant) for variant in cfg.menu}
    test = parquet.read_texts(data / "splits" / "test.parquet")
    _show_worlds(factory, {one.name: models[one.name] for one in params.compress.menu}, params.evaluate)
    _show(factory, models, test, params.evaluate)


def _show_worlds(factory: Any, models: Mapping[str, Any], slices: Any) -> None:
    """Choose again on bootstrap resamples of the texts that choose, by group."""
    import numpy as np

    from pipeline.core.compress.selection import choose_variant
    from pipeline.core.compress.speed import Speed
    from pipeline.stages.compress import halve_texts, measure_variants, open_model

    predictors = {name: open_model(model, factory.settings, THREADS) for name, model in models.items()}
    speeds = dict.fromkeys(models, Speed(1.0, 1.0, 1.0, 1.0, 1.0))
    texts, _ = halve_texts(factory.splits["valid"])
    by_group: dict[str, list[Any]] = {}
    for record in texts:
        by_group.setdefault(record.group, []).append(record)
    groups, random = list(by_group.values()), np.random.default_rng(20)
    chosen: Counter[str] = Counter()
    for world in range(-1, WORLDS):
        drawn = range(len(groups)) if world < 0 else random.integers(len(groups), size=len(groups))
        records = [
            replace(record, group=str(place)) for place, group in enumerate(drawn) for record in groups[group]
        ]
        variants = measure_variants(factory, models, predictors, records, speeds=speeds, slices=slices)
        choice = choose_variant(variants, factory.cfg.budget, teacher=factory.cfg.teacher)
        if world < 0:
            print("\n".join(choice.reasons))
        else:
            chosen[choice.chosen] += 1
    print(f"served in {WORLDS} bootstrap worlds of {len(texts)} texts: {dict(chosen)}")


def _show(factory: Any, models: Mapping[str, Any], test: Sequence[Any], slices: Any) -> None:
    from pipeline.stages.compress import halve_texts, measure_speed, measure_variants, open_model

    predictors = {name: open_model(model, factory.settings, THREADS) for name, model in models.items()}
    speeds = measure_speed(predictors, factory)
    texts, _ = halve_texts(factory.splits["valid"])
    variants = measure_variants(factory, models, predictors, texts, speeds=speeds, slices=slices)
    tested = _tested(factory, predictors, test)
    rates, peer_batch = _rates(factory, predictors, [record.text for record in test])
    peer = statistics.median(rates["peer"])
    print(
        f"\nmenu, {THREADS} threads; the peer is pipeline('text-classification') on the teacher "
        f"at its best batch size, {peer_batch}:"
    )
    print(
        f"{peer:,.0f} texts/s. Ratios are medians over {ROUNDS} rounds in which all take turns "
        "on texts of the test split.\n"
    )
    rows = [list(HEADS)]
    for one in variants:
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(rates[one.name], rates["peer"], strict=True)
        )
        times = [f"{value:.1f}" for value in list(vars(one.speed).values())[:4]]
        drop, worst = one.quality.drop, one.quality.worst_slice
        quality = [
            f"{drop.value:+.4f}",
            f"{drop.bound:+.4f}",
            f"{one.quality.agreement.value:.3f}",
            f"{worst['name']} {worst['bound']:+.3f}",
            f"{tested[one.name][0]:+.4f}",
            f"{tested[one.name][1]:.3f}",
        ]
        ends = [f"{statistics.median(rates[one.name]):,.0f}", f"{ratio:.1f}"]
        rows.append(
            [one.name, f"{one.megabytes:.1f}", f"{one.parameters / 1e6:.1f}M", *quality, *times, *ends]
        )
    print_table(rows)


def _tested(
    factory: Any, predictors: Mapping[str, Any], test: Sequence[Any]
) -> dict[str, tuple[float, float]]:
    """Return each variant's drop of macro F1 on the test split, and its agreement with the teacher there."""
    from pipeline.core.evaluate.metrics import score

    labels, truth = len(factory.settings["labels"]), factory.truth_of(test)
    predicted = {
        name: one.logits([record.text for record in test]).argmax(1) for name, one in predictors.items()
    }
    teacher = predicted[factory.cfg.teacher]
    teacher_f1 = score(truth, teacher, labels)
    return {
        name: (teacher_f1 - score(truth, found, labels), float((found == teacher).mean()))
        for name, found in predicted.items()
    }


def _rates(
    factory: Any, predictors: Mapping[str, Any], texts: Sequence[str]
) -> tuple[dict[str, list[float]], int]:
    """Run the peer and every variant in turn; return texts/s of each round, and the peer's best batch."""
    answer = _peer(factory)
    few, many = (list(texts[:: max(1, len(texts) // count)][:count]) for count in (PEER_TEXTS, OUR_TEXTS))
    tried = {
        size: max(_rate(lambda size=size: answer(few, size), len(few)) for _ in range(2))
        for size in PEER_BATCHES
    }
    best = max(tried, key=tried.__getitem__)
    rates: dict[str, list[float]] = {name: [] for name in ("peer", *predictors)}
    for _ in range(ROUNDS):
        rates["peer"].append(_rate(lambda: answer(few, best), len(few)))
        for name, predictor in predictors.items():
            rates[name].append(_rate(lambda predictor=predictor: predictor.predict(many), len(many)))
    return rates, best


def _rate(work: Callable[[], object], amount: int) -> float:
    start = time.perf_counter()
    work()
    return amount / (time.perf_counter() - start)


def _peer(factory: Any) -> Callable[[Sequence[str], int], object]:
    """Wrap the teacher for transformers: the same weights, the same mean over tokens."""
    import torch
    import transformers
    from transformers import PreTrainedModel, PreTrainedTokenizerFast, TextClassificationPipeline
    from transformers.modeling_outputs import SequenceClassifierOutput

    torch.set_num_threads(THREADS)
    # It warns at length about an unknown class, and then works with it.
    transformers.utils.logging.set_verbosity(logging.CRITICAL)
    teacher, longest = factory.teacher, factory.settings["max_tokens"]

    class Wrapped(PreTrainedModel):  # type: ignore[misc]
        config_class = type(teacher.encoder.config)
        # The encoder inside chooses its own attention.
        _supports_sdpa = True

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.classifier = teacher

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return SequenceClassifierOutput(logits=self.classifier(input_ids, attention_mask))

    from tokenizers import Tokenizer

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(factory.tokenizer),
        pad_token="[PAD]",
        model_input_names=["input_ids", "attention_mask"],
    )
    config = teacher.encoder.config
    config.id2label = dict(enumerate(factory.settings["labels"]))
    pipe = TextClassificationPipeline(model=Wrapped(config).eval(), tokenizer=tokenizer, device=-1)
    return lambda texts, size: pipe(list(texts), batch_size=size, truncation=True, max_length=longest)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    main()
