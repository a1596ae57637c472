"""Self-contained HTML pages of releases: no network, no script, nothing but what the record holds."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.base.documents import AbilityReport, GateCheckRecord, ReignRecord, ReleaseRecord
from pipeline.base.documents.card import CardComparison, ReleaseCard
from pipeline.base.tasks.scores import score_interval, score_of
from pipeline.report import formatting
from pipeline.report.charts import plots
from pipeline.report.charts.forest import forest_plot
from pipeline.report.charts.pareto import pareto_plot
from pipeline.report.charts.timeline import timeline
from pipeline.report.release.agreement import agreement_sentences
from pipeline.report.release.card import build_card, gate_limit
from pipeline.report.release.history import release_states
from pipeline.report.release.markdown_tables import gain_text
from pipeline.report.rendering import content_security_policy, render

__all__ = ["content_security_policy", "history_page", "release_page"]

KINDS = {"first": "was the first champion", "on": "replaced", "back": "came back in place of"}


def release_page(release: ReleaseRecord, texts: Mapping[str, str] | None = None) -> str:
    """Render the page of one release from its record in the ledger; equal records give equal pages.

    `texts` by id are shown where their prediction changed; unlike a card, the page stays on this machine.
    """
    card = build_card(release)
    menu, comparison = card["menu"], card["comparison"]
    checks = card["decision"]["checks"]
    slices = comparison["slices"] if comparison else []
    return render(
        "release/page.html.j2",
        card=card,
        verdicts=formatting.VERDICTS,
        thresholds=formatting.THRESHOLDS,
        changes=_smallest_changes(checks),
        best=max(card["metrics"]["baselines"], key=score_of, default=None),
        metrics_plot=_metrics_plot(card),
        agreement=agreement_sentences(card["human"]) if card["human"] else [],
        gain_text=gain_text,
        difference=_difference_plot(comparison, checks) if comparison else None,
        slices=forest_plot(slices, margin=comparison["margin"]) if comparison and slices else None,
        # Where a text may have several labels, none is confused with another.
        confusion=plots.confusion_plot(release["evaluation"]["labels"], card["confusion"])
        if card["confusion"]
        else None,
        reliability=plots.reliability_plot(card["calibration"]["bins"]) if card["calibration"] else None,
        pareto=pareto_plot(menu) if menu and menu["variants"] else None,
        examples=list(_failed_cases(release["evaluation"].get("behaviour") or {})),
        texts=texts or {},
        params=release.get("params") or "",
        lock=release.get("lock") or "",
    )


def history_page(reigns: Sequence[ReignRecord], releases: Sequence[ReleaseRecord], *, now: str) -> str:
    """Render who was champion when and why, from the ledger's reigns and releases; `now` is a UTC time."""
    states = release_states(releases, reigns)
    plot = timeline(reigns, states, now=now)
    return render("release/history.html.j2", reigns=reigns, states=states, plot=plot, kinds=KINDS, now=now)


def _smallest_changes(checks: Sequence[GateCheckRecord]) -> list[tuple[str, str]]:
    """List the failed checks with the smallest change that would have passed, where it is known."""
    failed = [check for check in checks if not check["passed"]]
    amounts = [(check["name"], formatting.shortfall(check["shortfall"], check["unit"])) for check in failed]
    return [(name, amount) for name, amount in amounts if amount]


def _metrics_plot(card: ReleaseCard) -> plots.IntervalPlot:
    metrics = card["metrics"]
    name = f"This release, {card['release']}"
    rows = [plots.Row(name, score_of(metrics), score_interval(metrics), own=True)]
    rows += [
        plots.Row(formatting.baseline_name(row["name"]), score_of(row), score_interval(row))
        for row in metrics["baselines"]
    ]
    floor = gate_limit(card["decision"]["checks"], "min_macro_f1")
    return plots.interval_plot(rows, line=None if floor is None else (floor, f"floor {floor:.3f}"))


def _difference_plot(comparison: CardComparison, checks: Sequence[GateCheckRecord]) -> plots.IntervalPlot:
    overall = score_of(comparison)
    name = f"Against {comparison['champion']}"
    row = plots.Row(name, overall["difference"], (overall["low"], overall["high"]), own=True)
    return plots.interval_plot([row], line=_rule_line(comparison, checks), signed=True)


def _rule_line(comparison: CardComparison, checks: Sequence[GateCheckRecord]) -> tuple[float, str] | None:
    """Return the line that the gate's rule draws: the tolerated drop, or the minimum detectable gain."""
    if comparison["rule"] == "better":
        gain: float | None = score_of(comparison)["minimum_detectable"]
        return None if gain is None else (gain, f"minimum detectable gain {gain:.3f}")
    margin = gate_limit(checks, "champion_margin")
    return None if margin is None else (-margin, f"tolerated drop {margin:.3f}")


def _failed_cases(
    behaviour: Mapping[str, AbilityReport],
) -> Iterator[tuple[str, list[list[tuple[str, str]]]]]:
    """Yield each ability with its recorded failures: texts made from templates, each with its prediction."""
    for name, ability in behaviour.items():
        cases = [
            list(zip(case.get("texts") or (), case.get("labels") or (), strict=False))
            for case in ability.get("examples") or ()
        ]
        if cases:
            yield name, cases
