"""The compression menu, `menu.json`: every variant of a fine-tuned model, and the one that is served."""

from typing import TypedDict


class VariantRecipe(TypedDict):
    """Shares of the teacher that a variant keeps, in (0, 1]; None keeps the whole vocabulary."""

    vocabulary_min_count: int | None
    layers: float
    heads: float
    feed_forward: float
    int8: bool


class SliceDropRecord(TypedDict):
    """The slice that loses most macro F1 against the teacher, and how much."""

    name: str
    drop: float


class MenuVariant(TypedDict):
    """One variant measured on the validation split beside the teacher.

    `macro_f1_drop` is the teacher's macro F1 less the variant's, `agreement` the share of equal predictions.
    `p50_ms` and `p95_ms` are latencies of one text, `p50_ms_32` and `p95_ms_32` of 32 together. `fits` says
    whether it meets the budget, `reason` why; `pareto` whether no other variant is better in macro F1, size
    and throughput at once.
    """

    name: str
    recipe: VariantRecipe
    parameters: int
    megabytes: float
    macro_f1: float
    macro_f1_drop: float
    worst_slice: SliceDropRecord
    agreement: float
    p50_ms: float
    p95_ms: float
    p50_ms_32: float
    p95_ms_32: float
    texts_per_second: float
    fits: bool
    reason: str
    pareto: bool


class TeacherFigures(TypedDict):
    """Macro F1 and size of the uncompressed fine-tuned model."""

    macro_f1: float
    parameters: int
    megabytes: float


class CompressionMenu(TypedDict):
    """All variants, the chosen one and the reasons; latencies are those of `threads` threads."""

    threads: int
    teacher: TeacherFigures
    chosen: str
    reasons: list[str]
    variants: list[MenuVariant]
