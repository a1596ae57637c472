"""Tables of the card in Markdown: title, heads and rows."""

from collections.abc import Sequence

from pipeline.base.documents.card import CardMetrics
from pipeline.base.documents.evaluation import HumanAgreement, ModelScores
from pipeline.base.documents.menu import CompressionMenu, MenuVariant
from pipeline.base.tasks.scores import drop_of, score_interval, score_of, score_title
from pipeline.report.formatting import (
    NONE,
    baseline_name,
    decimal,
    integer,
    interval_name,
    percent,
    rounded,
    score,
)

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]


def baseline_table(release: str, metrics: CardMetrics) -> Table:
    """Lay out the scores of the release and of each baseline, with the paired gain over each."""
    heads = ("", score_title(metrics), "accuracy", f"gain ({interval_name(metrics['confidence'])}, paired)")
    models: list[tuple[str, ModelScores]] = [(release, metrics)]
    models += [(baseline_name(row["name"]), row) for row in metrics["baselines"]]
    rows = [(name, with_interval(row), score(row["accuracy"]), gain_text(row)) for name, row in models]
    return "Metrics and baselines", heads, rows


def with_interval(scores: ModelScores) -> str:
    """Format the score of a model with its interval: macro F1, where there are labels."""
    bounds = score_interval(scores)
    interval = f" ({score(bounds[0])} to {score(bounds[1])})" if bounds else ""
    return score(score_of(scores)) + interval


def gain_text(scores: ModelScores) -> str:
    """Format the gain of the release over a baseline; a dash where an older record does not have it."""
    gain = scores.get("gain")
    if not gain:
        return NONE
    return f"{score(gain['difference'], True)} ({score(gain['low'], True)} to {score(gain['high'], True)})"


def agreement_table(release: str, human: HumanAgreement) -> Table:
    """Lay out the release beside panels of raters; an older record has one rater and two halves."""
    title = f"Human agreement on {integer(human['texts'])} texts"
    if not human["panels"]:
        older = {release: human["candidate"], "one rater": human["one_rater"]}
        older |= {"half of the raters against the other": human["ceiling"]}
        rows = [(name, score(row["macro_f1"]), score(row["accuracy"])) for name, row in older.items() if row]
        return title, ("", "macro F1", "accuracy"), rows
    panels = [
        (
            f"mean of {row['raters']}" if row["raters"] > 1 else "one rater",
            score(row["panel"]["macro_f1"]),
            score(row["candidate"]["macro_f1"]),
            f"{score(row['difference'], True)} ({score(row['low'], True)} to {score(row['high'], True)})",
        )
        for row in human["panels"]
    ]
    limit = ("infinitely many, against the label (extrapolated)", score(human["limit"]["macro_f1"]))
    heads = (
        "raters",
        "their macro F1",
        release,
        f"difference ({interval_name(human['confidence'])}, paired)",
    )
    return title, heads, [*panels, (*limit, score(human["candidate"]["macro_f1"]), NONE)]


def menu_table(menu: CompressionMenu) -> Table:
    """Lay out the compression menu; a bound that an older record lacks is a dash."""
    confidence = menu["confidence"]
    at_most = f"at most ({percent(confidence)} bound)" if confidence else "at most"
    heads = (
        "variant",
        score_title(menu["teacher"]),
        "drop",
        at_most,
        "agreement",
        "MB",
        "p50 ms",
        "p95 ms",
        "texts/s",
        "fits",
    )
    title = f"Compression menu: {menu['chosen']} was chosen"
    return title, heads, [_variant(variant) for variant in menu["variants"]]


def _variant(variant: MenuVariant) -> tuple[str, ...]:
    return (
        variant["name"],
        score(score_of(variant)),
        score(drop_of(variant), True),
        score(drop_of(variant, "drop_bound"), True),
        percent(variant["agreement"], 1),
        decimal(variant["megabytes"]),
        decimal(variant["p50_ms"]),
        decimal(variant["p95_ms"]),
        rounded(variant["texts_per_second"]),
        "yes" if variant["fits"] else "no",
    )
