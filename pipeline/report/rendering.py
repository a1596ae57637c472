"""Render a self-contained page: its own style by its digest, no script, no network."""

import base64
import functools
import hashlib
from typing import TYPE_CHECKING

from pipeline.report import formatting

if TYPE_CHECKING:
    from jinja2 import Environment

STYLES = ("page.css",)


def render(template: str, *, styles: tuple[str, ...] = STYLES, **values: object) -> str:
    """Render a template that extends the frame; equal values give equal pages."""
    from markupsafe import Markup

    style, policy = Markup(_style(styles)), Markup(content_security_policy(styles))
    return environment().get_template(template).render(**values, style=style, policy=policy)


@functools.cache
def content_security_policy(styles: tuple[str, ...] = STYLES) -> str:
    """Return the content security policy of a page: its own style and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style(styles).encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@functools.cache
def environment() -> "Environment":
    """Return the environment of the templates, which escapes every value."""
    # jinja2 takes a tenth of a second to import, and only a report needs it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("pipeline", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= formatting.FILTERS
    return made


def _style(styles: tuple[str, ...]) -> str:
    return "".join(environment().get_template(name).render() for name in styles)
