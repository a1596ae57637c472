"""Self-contained HTML pages: no network, no script, nothing that the record did not say."""

import base64
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.report import formatting
from pipeline.report.charts import plots
from pipeline.report.charts.forest import forest_plot
from pipeline.report.charts.pareto import pareto_plot
from pipeline.report.charts.timeline import timeline
from pipeline.report.release import history
from pipeline.report.release.card import build_card, gate_limit

if TYPE_CHECKING:
    from jinja2 import Environment

KINDS = {"first": "was the first", "on": "took over from", "back": "came back in place of"}


def release_page(document: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> str:
    """Draw the page of one release from its document in the ledger; equal documents give equal pages.

    `texts` by their id are shown where their answer changed. The page stays on this machine; the cards never hold a text.
    """
    told = build_card(document)
    menu = told["menu"]
    return _draw(
        "release/page.html.j2",
        card=told,
        verdicts=formatting.VERDICTS,
        thresholds=formatting.THRESHOLDS,
        changes=_changes(told["decision"]["parts"]),
        best=max(told["figures"]["baselines"], key=lambda row: row["macro_f1"], default=None),
        figure=_figure(told),
        difference=_difference(told),
        slices=_slices(told),
        confusion=plots.confusion_plot(document["evaluation"]["labels"], told["confusion"]),
        reliability=plots.reliability_plot(told["calibration"]["bins"]),
        pareto=pareto_plot(menu) if menu and menu["variants"] else None,
        examples=list(_examples(document["evaluation"].get("behaviour") or {})),
        texts=texts or {},
        params=document.get("params") or "",
        lock=document.get("lock") or "",
    )


def history_page(
    moves: Sequence[Mapping[str, Any]], releases: Sequence[Mapping[str, Any]], *, now: str
) -> str:
    """Draw who was champion when and why it changed, from the ledger's moves and release documents; `now` is a UTC time."""
    reigns, standings = history.reigns(moves), history.release_states(releases, moves)
    plot = timeline(reigns, standings, now=now)
    return _draw(
        "release/history.html.j2", reigns=reigns, standings=standings, plot=plot, kinds=KINDS, now=now
    )


@functools.cache
def content_security_policy() -> str:
    """Give the content security policy of a page: its own style, and nothing else of anybody."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _draw(template: str, **values: Any) -> str:
    from markupsafe import Markup

    return (
        _environment()
        .get_template(template)
        .render(**values, style=Markup(_style()), policy=Markup(content_security_policy()))
    )


def _style() -> str:
    return _environment().get_template("page.css").render()


def _changes(parts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    found = [
        (part["name"], formatting.shortfall(part["missing"], part["unit"]))
        for part in parts
        if not part["passed"]
    ]
    return [(name, amount) for name, amount in found if amount]


def _figure(told: Mapping[str, Any]) -> plots.IntervalPlot:
    own = told["figures"]
    rows = [
        plots.Row(
            f"This release, {told['release']}", own["macro_f1"], own["intervals"].get("macro_f1"), own=True
        )
    ]
    rows += [
        plots.Row(formatting.baseline_name(row["name"]), row["macro_f1"], row["intervals"].get("macro_f1"))
        for row in own["baselines"]
    ]
    floor = gate_limit(told["decision"]["parts"], "min_macro_f1")
    return plots.interval_plot(rows, line=None if floor is None else (floor, f"floor {floor:.3f}"))


def _difference(told: Mapping[str, Any]) -> plots.IntervalPlot | None:
    versus = told["comparison"]
    if versus is None:
        return None
    found = versus["macro_f1"]
    row = plots.Row(
        f"Against {versus['champion']}", found["difference"], (found["low"], found["high"]), own=True
    )
    return plots.interval_plot([row], line=_asked(versus, told["decision"]["parts"]), signed=True)


def _asked(versus: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> tuple[float, str] | None:
    """Give the line that the rule of the gate draws: a fall that is tolerated, or a gain that would have shown."""
    gain, margin = versus["macro_f1"]["visible"], gate_limit(parts, "champion_margin")
    if versus["rule"] == "better":
        return None if gain is None else (gain, f"a gain of {gain:.3f}, which would show")
    return None if margin is None else (-margin, f"a fall of {margin:.3f}, which is tolerated")


def _slices(told: Mapping[str, Any]) -> Any:
    versus = told["comparison"]
    return forest_plot(versus["slices"], margin=versus["margin"]) if versus and versus["slices"] else None


def _examples(behaviour: Mapping[str, Any]) -> Iterator[tuple[str, list[list[tuple[str, str]]]]]:
    """List the failures kept of each ability: its texts, made from templates, each with the answer."""
    for name, found in behaviour.items():
        tried = [
            list(zip(example.get("texts") or (), example.get("labels") or (), strict=False))
            for example in found.get("examples") or ()
        ]
        if tried:
            yield name, tried


@functools.cache
def _environment() -> "Environment":
    # jinja2 costs a tenth of a second, and only a report needs it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    read = (
        formatting.score,
        formatting.integer,
        formatting.percent,
        formatting.decimal,
        formatting.rounded,
        formatting.p_value,
        formatting.utc_time,
        formatting.baseline_name,
        formatting.interval_name,
    )
    environment.filters |= {reader.__name__: reader for reader in read}
    return environment
