"""The compression menu, `menu.json`: every variant of a fine-tuned model, and the one that is served."""

from typing import NotRequired, TypedDict


class VariantRecipe(TypedDict):
    """Shares of the teacher that a variant keeps, in (0, 1]; None keeps the whole vocabulary."""

    vocabulary_min_count: int | None
    layers: float
    heads: float
    feed_forward: float
    int8: bool


class SliceDropRecord(TypedDict):
    """The slice that may lose most macro F1 against the teacher, how much it lost, and the bound of that.

    Until a bound chose the variant there was none.
    """

    name: str
    drop: float
    bound: NotRequired[float]


class MenuVariant(TypedDict):
    """One variant measured beside the teacher, on the half of the validation split that chooses.

    `macro_f1_drop` is the teacher's macro F1 less the variant's, `agreement` the share of equal predictions;
    each has the bound that is compared with the budget, which earlier versions lack.
    `p50_ms` and `p95_ms` are latencies of one text, `p50_ms_32` and `p95_ms_32` of 32 together. `fits` says
    whether it meets the budget, `reason` why; `pareto` whether no other variant is better in macro F1, size
    and throughput at once. Of a model that writes there is `log_likelihood` in the place of `macro_f1` in
    each key.
    """

    name: str
    recipe: VariantRecipe
    parameters: int
    megabytes: float
    macro_f1: float
    macro_f1_drop: float
    macro_f1_drop_bound: NotRequired[float]
    worst_slice: SliceDropRecord
    agreement: float
    agreement_bound: NotRequired[float]
    p50_ms: float
    p95_ms: float
    p50_ms_32: float
    p95_ms_32: float
    texts_per_second: float
    fits: bool
    reason: str
    pareto: bool
    log_likelihood: NotRequired[float]
    log_likelihood_drop: NotRequired[float]
    log_likelihood_drop_bound: NotRequired[float]


class TeacherFigures(TypedDict):
    """Macro F1, or log-likelihood of a token, and size of the uncompressed fine-tuned model."""

    macro_f1: float
    log_likelihood: NotRequired[float]
    parameters: int
    megabytes: float


class MenuTexts(TypedDict):
    """Numbers of validation texts: those that chose the variant, and those that calibrated it."""

    choice: int
    calibration: int


class CompressionMenu(TypedDict):
    """All variants, the chosen one and the reasons; latencies are those of `threads` threads.

    `texts` counts the validation texts that chose and those that set temperature and thresholds, and
    `confidence` is that of the bounds; earlier versions have neither.
    """

    threads: int
    texts: NotRequired[MenuTexts]
    confidence: NotRequired[float]
    teacher: TeacherFigures
    chosen: str
    reasons: list[str]
    variants: list[MenuVariant]
