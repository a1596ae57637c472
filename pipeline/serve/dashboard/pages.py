"""The pages of the dashboard: templates and assets of this folder beside those of the reports, and the headers they travel with."""

import functools
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.operations.dashboard_data import READERS

if TYPE_CHECKING:
    from jinja2 import Environment

# What a browser may load and do here: our own style and script by their address, and nothing else of anybody.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With `no-referrer` a browser sends `Origin: null` with our own forms, and they could not be told from forged ones.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
TYPES = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
LEVELS = (0.02, 0.1, 0.25)  # of a probability, from which a word is shown in a stronger colour


def render_template(template: str, **values: Any) -> str:
    """Draw a page or a part of one."""
    return _environment().get_template(template).render(**{"reader": None, "signing": False, **values})


@functools.cache
def asset(name: str) -> bytes:
    """Give an asset that pages ask for; the style of the reports comes first in ours."""
    assert name in TYPES
    own = (files("pipeline") / "serve" / "dashboard" / "assets" / name).read_bytes()
    return (
        (files("pipeline") / "report" / "templates" / "page.css").read_bytes() + own
        if name == "dashboard.css"
        else own
    )


def asset_address(name: str) -> str:
    """Give the address of an asset, another one whenever its bytes change, so that it may be kept for long."""
    return f"/assets/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


def topic_address(topic: str) -> str:
    """Give the address of a topic's page; a name may hold anything."""
    return "/" if topic == "all" else f"/topics/{quote(topic, safe='')}"


def topic_name(topic: str) -> str:
    """Name a topic for a reader."""
    return "All topics" if topic == "all" else topic


def describe_explanation(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give an explained answer the words' colours and what each is worth in words."""
    words = [
        {**word, "kind": _kind(word["weight"]), "told": f"{word['weight']:+.3f}"} for word in found["words"]
    ]
    names = list(found["probabilities"])
    chances = [(name, _hue(name, names), chance) for name, chance in found["probabilities"].items()]
    return {**found, "words": words, "probabilities": chances}


def _kind(weight: float) -> str:
    level = sum(abs(weight) >= least for least in LEVELS)
    return f"{'for' if weight > 0 else 'against'}-{level}" if level else "plain"


def _hue(name: str, names: list[str]) -> str:
    return name if name in ("negative", "neutral", "positive") else f"other-{names.index(name) % 4}"


def _coded(sentence: str) -> str:
    """Set what a sentence has between backticks as code; all of it is escaped first."""
    from markupsafe import Markup, escape

    parts = str(escape(sentence)).split("`")
    if len(parts) % 2 == 0:
        return Markup("`".join(parts))
    return Markup("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))


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
    environment.filters |= {**READERS, "trim_zeros": lambda value: f"{value:g}", "coded": _coded}
    environment.globals |= {"asset": asset_address}
    return environment
