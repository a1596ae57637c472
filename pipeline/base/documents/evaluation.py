"""The evaluation report, `evaluation.json`: what one candidate reaches on the test split."""

from typing import NotRequired, TypedDict

from pipeline.base.documents.comparison import Difference
from pipeline.base.tasks import TaskName


class Scores(TypedDict):
    """Two scores in [0, 1].

    A model that writes has `log_likelihood` in the place of both (base/documents/scores.py).
    """

    macro_f1: float
    accuracy: float
    log_likelihood: NotRequired[float]


class SubsetScores(Scores):
    """Scores on part of the texts; `texts` is how many there are."""

    texts: int


class ModelScores(Scores):
    """Scores of a model or a baseline; `intervals` holds [low, high] under the name of a score.

    `gain` is the paired difference in macro F1 of the candidate (less the baseline, named `champion` there);
    reports of earlier versions and the candidate itself lack it.
    """

    per_source: dict[str, SubsetScores]
    intervals: dict[str, list[float]]
    gain: NotRequired[Difference]


class LabelScores(TypedDict):
    """Scores of one label; `texts` is how many have it."""

    f1: float
    precision: float
    recall: float
    texts: int


class CalibrationBin(TypedDict):
    """Mean confidence and accuracy of the texts whose confidence lies between `low` and `high`."""

    low: float
    high: float
    confidence: float
    accuracy: float
    texts: int


class CalibrationError(TypedDict):
    """A debiased calibration error in [0, 1] with the interval [low, high], and the number of texts."""

    error: float
    low: float
    high: float
    texts: int


class CalibrationReport(TypedDict):
    """Calibration errors, the temperature they were measured at, and the bins that hold texts.

    `ece` and `adaptive_ece` are above 0 for a perfect model too; `debiased` and `per_source` are not. Reports
    of earlier versions lack the latter two.
    """

    debiased: NotRequired[CalibrationError]
    per_source: NotRequired[dict[str, CalibrationError]]
    ece: float
    adaptive_ece: float
    brier: float
    temperature: float
    bins: list[CalibrationBin]


class FailedCase(TypedDict):
    """The texts of one behavioural case that failed, and the label predicted for each."""

    texts: list[str]
    labels: list[str]


class AbilityReport(TypedDict):
    """How many cases of one ability passed; `kind` is minimum, invariance or direction.

    `low` and `high` are the interval of the pass rate over all fillings of the templates; reports of earlier
    versions lack them.
    """

    kind: str
    cases: int
    passed: int
    pass_rate: float
    low: NotRequired[float]
    high: NotRequired[float]
    examples: list[FailedCase]


class AttackReport(TypedDict):
    """Macro F1 of a sample before and after typos: up to `edits` a text, the worst of `tries` attempts.

    `low` and `high` are the interval of the `fall`; reports of earlier versions lack them.
    """

    texts: int
    edits: int
    tries: int
    macro_f1_before: float
    macro_f1_after: float
    fall: float
    low: NotRequired[float]
    high: NotRequired[float]


class PanelAgreement(TypedDict):
    """The mean of so many raters beside the candidate, both against the label by half of the raters.

    `difference` is the candidate's macro F1 less the raters', `low` and `high` its paired interval.
    """

    raters: int
    texts: int
    panel: Scores
    candidate: Scores
    difference: float
    low: float
    high: float


class AgreementScores(TypedDict):
    """The candidate against the label of all raters, and against panels of raters.

    `limit` is extrapolated: what somebody who knows the mean of infinitely many raters reaches against the
    label. Reports of earlier versions have `one_rater` and `ceiling` (half the raters against the other half)
    in place of both.
    """

    candidate: Scores
    panels: NotRequired[list[PanelAgreement]]
    limit: NotRequired[Scores]
    one_rater: NotRequired[Scores]
    ceiling: NotRequired[Scores]


class HumanAgreement(AgreementScores):
    """Human agreement on the texts whose single ratings are known, overall and by source."""

    texts: int
    confidence: NotRequired[float]
    per_source: dict[str, AgreementScores]


class ScaleReport(TypedDict):
    """Errors on a scale: mean steps from the truth, and Cohen's kappa with quadratic weights.

    `intervals` holds [low, high] under the name of a figure.
    """

    mean_absolute_error: float
    weighted_kappa: float
    intervals: dict[str, list[float]]


class ItemScores(TypedDict):
    """Scores of answers of several items: micro F1, and the interval [low, high] of the F1 of each label."""

    micro_f1: float
    label_intervals: dict[str, list[float]]


class GenerationReport(TypedDict):
    """Figures of a model that writes, of the tokens of references, or of texts that stand alone.

    `perplexity` is over all `tokens`, `perplexity_quartiles` are of that of each text. `bleu` and `chrf`
    (0 to 1) compare what was written with the `references`, and are None without any. `intervals` holds
    [low, high] under the name of a figure.
    """

    perplexity: float
    perplexity_quartiles: list[float]
    tokens: int
    references: int
    bleu: float | None
    chrf: float | None
    intervals: dict[str, list[float]]


class TaskScores(TypedDict):
    """What the report of a task holds beside that of every task.

    `ordinal` is for labels on a scale, `items` for several labels of a text: there `accuracy` is the share of
    texts whose answer is exactly right, and `confusion` is empty. `generation` is for texts that are written:
    there is no label, no calibration, and no macro F1. Without a `task` it is single labels.
    """

    task: NotRequired[TaskName]
    ordinal: NotRequired[ScaleReport]
    items: NotRequired[ItemScores]
    generation: NotRequired[GenerationReport]


class EvaluationReport(ModelScores, TaskScores):
    """All measurements of one candidate.

    `confusion` is LxL in the order of `labels`, ground truth by prediction; `slices` are named
    `source=movie`, `length=9-16`, …. `calibration` is None of a model that writes. `behaviour` is by ability,
    empty where none was tried; `attack` and `human` are None where they were not measured. `texts` were
    measured, `reserved` were not: no figure here depends on them.
    """

    labels: list[str]
    texts: int
    reserved: NotRequired[int]
    per_class: dict[str, LabelScores]
    confusion: list[list[int]]
    slices: dict[str, SubsetScores]
    calibration: CalibrationReport | None
    behaviour: dict[str, AbilityReport]
    attack: AttackReport | None
    human: HumanAgreement | None
    baselines: dict[str, ModelScores]
