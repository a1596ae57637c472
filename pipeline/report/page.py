"""One self-contained HTML page: no network, no script, nothing that the record did not say."""

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.report import plots

if TYPE_CHECKING:
    from jinja2 import Environment

BASELINES = {"tfidf": "TF-IDF + logistic regression", "vader": "VADER lexicon"}


def page(release: Mapping[str, Any]) -> str:
    """Draw the page of one release from its document in the ledger; equal documents give equal pages."""
    from markupsafe import Markup

    environment = _environment()
    style = environment.get_template("page.css").render()
    evaluation = release["evaluation"]
    return environment.get_template("page.html.j2").render(
        release=release,
        evaluation=evaluation,
        decision=release["decision"],
        comparison=release.get("comparison"),
        confidence=_confidence(release["params"]),
        baselines=[(BASELINES.get(name, name), figures) for name, figures in evaluation["baselines"].items()],
        best=max(evaluation["baselines"].items(), key=lambda item: item[1]["macro_f1"], default=None),
        figure=_figure(release),
        difference=_difference(release.get("comparison"), release["decision"]["parts"]),
        confusion=plots.confusion_plot(evaluation["labels"], evaluation["confusion"]),
        reliability=plots.reliability_plot(evaluation["calibration"]["bins"]),
        style=Markup(style),
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def _figure(release: Mapping[str, Any]) -> plots.IntervalPlot:
    evaluation = release["evaluation"]
    own = plots.Row(f"This release, {release['release']}", evaluation["macro_f1"], evaluation["intervals"].get("macro_f1"), own=True)
    others = [
        plots.Row(BASELINES.get(name, name), figures["macro_f1"], figures.get("intervals", {}).get("macro_f1"))
        for name, figures in evaluation["baselines"].items()
    ]
    floor = _limit(release["decision"]["parts"], "min_macro_f1")
    return plots.interval_plot([own, *others], line=None if floor is None else (floor, f"floor {floor:.3f}"))


def _difference(comparison: Mapping[str, Any] | None, parts: Sequence[Mapping[str, Any]]) -> plots.IntervalPlot | None:
    if comparison is None:
        return None
    margin = _limit(parts, "champion_margin")
    row = plots.Row(f"Against {comparison['champion']}", comparison["difference"], (comparison["low"], comparison["high"]), own=True)
    return plots.interval_plot([row], line=None if margin is None else (-margin, f"tolerated {-margin:+.3f}"), signed=True)


def _limit(parts: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Find a limit of the gate among the figures it recorded."""
    return next((part["figures"][name] for part in parts if name in part["figures"]), None)


def _confidence(params: str) -> str:
    """Name the interval as the params of the release do, whatever the params of today say."""
    try:
        return f"{yaml.safe_load(params)['evaluate']['confidence']:.0%} interval"
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return "interval"


@functools.cache
def _environment() -> "Environment":
    # jinja2 costs a tenth of a second, and only a report needs it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"three": _three, "count": _count, "when": _when, "share": _share}
    environment.globals["baseline_name"] = lambda name: BASELINES.get(name, name)
    return environment


def _three(value: float, signed: bool = False) -> str:
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _count(value: int) -> str:
    return f"{value:,}"


def _share(value: float) -> str:
    return f"{value:.0%}"


def _when(created: str) -> str:
    """Shorten a UTC time of the ledger for a reader; leave any other as it is."""
    utc = created.endswith(("Z", "+00:00")) and len(created) >= 16
    return f"{created[:10]} {created[11:16]} UTC" if utc else created
