"""Tables of the card in Markdown: title, heads and rows."""

from collections.abc import Sequence

from pipeline.base.documents.menu import CompressionMenu, MenuVariant
from pipeline.report.formatting import decimal, percent, rounded, score

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]


def menu_table(menu: CompressionMenu) -> Table:
    """Lay out the compression menu; a bound that an older record lacks is a dash."""
    confidence = menu["confidence"]
    at_most = f"at most ({percent(confidence)} bound)" if confidence else "at most"
    heads = ("variant", "macro F1", "drop", at_most, "agreement", "MB", "p50 ms", "p95 ms", "texts/s", "fits")
    title = f"Compression menu: {menu['chosen']} was chosen"
    return title, heads, [_variant(variant) for variant in menu["variants"]]


def _variant(variant: MenuVariant) -> tuple[str, ...]:
    return (
        variant["name"],
        score(variant["macro_f1"]),
        score(variant["macro_f1_drop"], True),
        score(variant["macro_f1_drop_bound"], True),
        percent(variant["agreement"], 1),
        decimal(variant["megabytes"]),
        decimal(variant["p50_ms"]),
        decimal(variant["p95_ms"]),
        rounded(variant["texts_per_second"]),
        "yes" if variant["fits"] else "no",
    )
