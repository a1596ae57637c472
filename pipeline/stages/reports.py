"""The report of a release: a page for everybody, a card for the flow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import Places
from pipeline.stages import releases
from pipeline.storage import files


def write_report(places: Places, name: str | None, out: Path | None) -> Path:
    """Write the page of a release, by default under `.tonewatch/reports/`; give its path."""
    from pipeline.report.page import page

    document = releases.show(places, name)
    target = out or places.reports / f"{document['release']}.html"
    files.write_bytes(target, page(document).encode())
    return target.resolve()


def decision_card(document: Mapping[str, Any]) -> str:
    """Give the gate's decision as one page of Markdown."""
    from pipeline.report.card import card

    return card(document)
