"""The report of a release: a page for everybody, cards that travel, and the history of the champions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.base.config import Workspace
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.io import files, parquet
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.io.versioning import data_versions
from pipeline.release import promote


@dataclass(frozen=True)
class Report:
    """Name the three files of a report."""

    report: Path
    markdown: Path
    json: Path

    def as_dict(self) -> dict[str, str]:
        """Give plain values."""
        return {"report": str(self.report), "markdown": str(self.markdown), "json": str(self.json)}


def write_report(workspace: Workspace, name: str | None, out: Path | None) -> Report:
    """Write the page of a release, and its card as Markdown and JSON beside it; by default under `.tonewatch/reports/`.

    The page shows changed answers with their texts where these lie in the work tree; the cards never do.
    """
    from pipeline.report.release.card import build_card
    from pipeline.report.release.markdown import markdown
    from pipeline.report.release.page import release_page

    document = _document(workspace, name)
    target = (out or workspace.reports / f"{document['release']}.html").resolve()
    if target.suffix in (".md", ".json"):
        raise UsageError(
            f"{target.name} is where a card beside the page would go. Name the page, as --out {target.stem}.html."
        )
    told = build_card(document)
    written = Report(target, target.with_suffix(".md"), target.with_suffix(".json"))
    files.write_bytes(written.report, release_page(document, _texts(workspace, document)).encode())
    files.write_bytes(written.markdown, markdown(told).encode())
    files.write_bytes(written.json, (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())
    return written


def render_report(workspace: Workspace, name: str) -> tuple[str, str]:
    """Draw the page of a release for whoever may read the dashboard, with no text of anyone; give it with its policy.

    Raises WrongUse for a release that there is none of.
    """
    from pipeline.report.release.page import content_security_policy, release_page

    return release_page(_document(workspace, name)), content_security_policy()


def decision_card(document: Mapping[str, Any]) -> str:
    """Give the whole card of a release as Markdown, as it is shown beside the flow; it holds no text of anyone."""
    from pipeline.report.release.card import build_card
    from pipeline.report.release.markdown import markdown

    return markdown(build_card(document))


def model_card(document: Mapping[str, Any]) -> str:
    """Give the card of a release in so much Markdown as MLflow keeps for a version; it holds no text of anyone."""
    from pipeline.report.release.card import build_card
    from pipeline.report.release.markdown import brief

    return brief(build_card(document))


def describe_in_registry(workspace: Workspace, document: Mapping[str, Any]) -> None:
    """Let the model registry tell of a version which release it became, and how that was judged."""
    verdict = "accepted" if document["decision"]["accepted"] else "refused"
    tags = {
        "release": str(document["release"]),
        "decision": verdict,
        "data_version": str(document["data_version"]),
    }
    told = _document(workspace, str(document["release"]))
    ModelRegistry(workspace.mlflow).describe(str(document["model_version"]), model_card(told), tags)


def history(workspace: Workspace) -> list[dict[str, Any]]:
    """Give every move of the champion, the newest first, with the time that ended its reign."""
    from pipeline.report.release.history import reigns

    return list(reversed(reigns(promote.list_moves(workspace))))


def write_history(workspace: Workspace, out: Path | None) -> Path:
    """Write the timeline of the champions as one page, by default under `.tonewatch/reports/`; give its path."""
    from pipeline.report.release.page import history_page

    ledger = Ledger(workspace.ledger)
    documents = [
        {**release.document, **_approvals(ledger, release.document)} for release in ledger.releases()
    ]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    target = (out or workspace.reports / "history.html").resolve()
    files.write_bytes(
        target, history_page([move.as_dict() for move in ledger.moves()], documents, now=now).encode()
    )
    return target


def _document(workspace: Workspace, name: str | None) -> dict[str, Any]:
    document = promote.show(workspace, name)
    found = {**document, **_approvals(Ledger(workspace.ledger), document)}
    try:
        return {
            **found,
            "data": data_versions.show_version(workspace.root, str(document["data_version"])).as_dict(),
        }
    except TonewatchError:
        # The release stands without its data version; its card only tells less of the data.
        return found


def _approvals(ledger: Ledger, document: Mapping[str, Any]) -> dict[str, Any]:
    given = ledger.approval(str(document["release"])) if document.get("approval") == "human" else None
    return {"approvals": [given.as_dict()] if given else []}


def _texts(workspace: Workspace, document: Mapping[str, Any]) -> dict[str, str]:
    """Find the texts whose answer changed, if the release's own data lie in the work tree."""
    changed = ((document.get("comparison") or {}).get("changed") or {}).get("texts") or ()
    wanted = {entry["id"] for entry in changed}
    try:
        return dict(_found(workspace, document, wanted)) if wanted else {}
    except TonewatchError:
        return {}


def _found(workspace: Workspace, document: Mapping[str, Any], wanted: set[str]) -> Iterator[tuple[str, str]]:
    splits = workspace.root / "data" / "splits"
    receipt = files.verified_receipt(splits, made_by="split")
    if receipt.notes["fingerprint"] == (document.get("data") or {}).get("fingerprint"):
        yield from (
            (record.id, record.text)
            for record in parquet.read_texts(splits / "test.parquet")
            if record.id in wanted
        )
