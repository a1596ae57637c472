"""Which variant is served: a written rule, so that the answer can be read and repeated."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config import CompressConfig


@dataclass(frozen=True)
class Variant:
    """Hold one way to serve the parent, measured on the validation split.

    `macro_f1_fall` is the parent's macro F1 less this one's; `agreement` the share of texts both answer alike.
    """

    name: str
    megabytes: float
    macro_f1: float
    macro_f1_fall: float
    agreement: float


@dataclass(frozen=True)
class Choice:
    """Hold the chosen variant and why the others were not."""

    chosen: str
    reasons: tuple[str, ...]


def choose(variants: Sequence[Variant], cfg: CompressConfig) -> Choice:
    """Take the first variant, in the order of `compress.variants`, that holds against its parent.

    The parent's own export is taken when none does: a served model must never be worse for being small.
    """
    reasons: list[str] = []
    by_name = {variant.name: variant for variant in variants}
    for name in cfg.variants:
        fault = _fault(by_name[name], cfg)
        if fault is None:
            return Choice(name, (*reasons, f"{name} holds: {_figures(by_name[name])}"))
        reasons.append(f"{name} does not hold: {fault}")
    return Choice("fp32", (*reasons, "fp32 is served, for nothing smaller holds"))


def _fault(variant: Variant, cfg: CompressConfig) -> str | None:
    if variant.macro_f1_fall > cfg.max_f1_fall:
        return f"macro F1 falls by {variant.macro_f1_fall:.4f}, at most {cfg.max_f1_fall:.4f} is allowed"
    if variant.agreement < cfg.min_agreement:
        return f"it agrees with its parent on {variant.agreement:.4f}, at least {cfg.min_agreement:.4f} is asked"
    return None


def _figures(variant: Variant) -> str:
    return f"macro F1 {variant.macro_f1:.4f} ({-variant.macro_f1_fall:+.4f}), agreement {variant.agreement:.4f}, {variant.megabytes:.1f} MB"
