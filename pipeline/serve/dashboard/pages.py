"""Render the dashboard's templates and serve its assets, with the security headers of a page."""

import functools
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.report.formatting import FILTERS

if TYPE_CHECKING:
    from jinja2 import Environment

    from pipeline.operations.dashboard.actions import Explanation

# Only our own style sheet, script and images; no inline code, nothing from other hosts.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # `no-referrer` would make browsers send `Origin: null` with our own forms, as with forged ones.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
CONTENT_TYPES = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "spans.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
# Importance at which a word's colour gets stronger: changes of probability, parts of a logit.
LEVELS = {"occlusion": (0.02, 0.1, 0.25), "gradients": (0.1, 0.5, 1.0)}


def render_template(template: str, **values: Any) -> str:
    """Render a page or a fragment; StrictUndefined raises where a value is missing."""
    return _environment().get_template(template).render(**{"session": None, "show_sign_in": True, **values})


@functools.cache
def asset(name: str) -> bytes:
    """Return the bytes of an asset; the style sheet starts with that of the reports."""
    assert name in CONTENT_TYPES
    own = (files("pipeline") / "serve" / "dashboard" / "assets" / name).read_bytes()
    if name != "dashboard.css":
        return own
    return (files("pipeline") / "report" / "templates" / "page.css").read_bytes() + own


def asset_address(name: str) -> str:
    """Return the path of an asset with a digest of its bytes, so that browsers may cache it for a year."""
    return f"/assets/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


def topic_address(topic: str) -> str:
    """Return the path of a topic's page."""
    return "/" if topic == "all" else f"/topics/{quote(topic, safe='')}"


def topic_name(topic: str) -> str:
    """Return the heading of a topic's page."""
    return "All topics" if topic == "all" else topic


def describe_explanation(explanation: "Explanation", release: str) -> dict[str, Any]:
    """Return the values of explanation.html.j2.

    Keys: release, method, label, uncertain, `cut_after` (tokens; None where all are read), `probabilities` as
    (label, CSS class, probability), `words` with word, weight and CSS class, and `further`, the number of
    words without an importance.
    """
    labels = list(explanation.probabilities)
    return {
        "release": release,
        "method": explanation.method,
        "label": explanation.label,
        "uncertain": explanation.uncertain,
        "cut_after": explanation.max_tokens if explanation.cut else None,
        "probabilities": [(name, _hue(name, labels), p) for name, p in explanation.probabilities.items()],
        "words": [
            {
                "word": one.word,
                "weight": one.weight,
                "kind": _word_class(one.weight, LEVELS[explanation.method]),
            }
            for one in explanation.words
        ],
        "further": explanation.further,
    }


def _word_class(weight: float, levels: tuple[float, ...]) -> str:
    level = sum(abs(weight) >= least for least in levels)
    return f"{'for' if weight > 0 else 'against'}-{level}" if level else "plain"


def _hue(label: str, labels: list[str]) -> str:
    return label if label in ("negative", "neutral", "positive") else f"other-{labels.index(label) % 4}"


def _with_code(sentence: str) -> str:
    """Escape a sentence and mark what is between backticks as code."""
    from markupsafe import Markup, escape

    parts = str(escape(sentence)).split("`")
    if len(parts) % 2 == 0:
        return Markup("`".join(parts))
    return Markup("".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)))


@functools.cache
def _environment() -> "Environment":
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loader = ChoiceLoader(
        [
            PackageLoader("pipeline", "serve/dashboard/templates"),
            PackageLoader("pipeline", "report/templates"),
        ]
    )
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {**FILTERS, "trim_zeros": lambda value: f"{value:g}", "coded": _with_code}
    environment.globals |= {"asset": asset_address}
    return environment
