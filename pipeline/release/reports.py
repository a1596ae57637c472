"""Show releases: their records, the page and cards of a release, and the history of the champions."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pipeline.base import times
from pipeline.base.config import Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.documents import (
    ApprovalRecord,
    ReignRecord,
    ReleaseDetails,
    ReleaseRecord,
)
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.io import files, parquet
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import candidate_digest
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.versioning import data_versions
from pipeline.release.looks import report_looks


@dataclass(frozen=True)
class Report:
    """The three files of a report."""

    report: Path
    markdown: Path
    json: Path

    def as_dict(self) -> dict[str, str]:
        """Return the paths as text."""
        return {name: str(path) for name, path in vars(self).items()}


def show_release(workspace: Workspace, name: str | None) -> ReleaseDetails:
    """Return the record of a release, by default of the champion, with its moves.

    Raises UsageError where no release is in service, or none has this name.
    """
    ledger = Ledger(workspace.ledger)
    moves = ledger.moves()
    champion = moves[-1].target if moves else None
    if name is None and champion is None:
        raise UsageError("No release is in service yet. Make one with `tonewatch run`.")
    release = ledger.get(name or str(champion))
    own = [move.as_dict() for move in moves if release.name in (move.origin, move.target)]
    details = cast(ReleaseDetails, {**release.record, "in_service": release.name == champion, "moves": own})
    if "test" in release.record:
        records = [other.record for other in ledger.releases()]
        looks = report_looks(records, release.record, parse_params(release.record["params"]))
        if looks is not None:
            details["looks"] = looks
    return details


def write_report(workspace: Workspace, name: str | None, out: Path | None) -> Report:
    """Write the page of a release, and its card as Markdown and JSON beside it.

    The default place is `.tonewatch/reports/`. The page shows the texts of changed predictions where these
    are in the working tree; the cards never hold a text.
    """
    from pipeline.report.release.card import build_card
    from pipeline.report.release.markdown import markdown
    from pipeline.report.release.page import release_page

    release = _details(workspace, name)
    page = (out or workspace.reports / f"{release['release']}.html").resolve()
    if page.suffix in (".md", ".json"):
        raise UsageError(
            f"{page.name} would collide with a card beside the page. Type --out {page.stem}.html."
        )
    card = build_card(release)
    report = Report(page, page.with_suffix(".md"), page.with_suffix(".json"))
    files.write_bytes(report.report, release_page(release, _changed_texts(workspace, release)).encode())
    files.write_bytes(report.markdown, markdown(card).encode())
    files.write_bytes(report.json, (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())
    return report


def render_report(workspace: Workspace, name: str) -> tuple[str, str]:
    """Return the page of a release, without any text of a user, and its content security policy.

    Raises UsageError where no release has this name.
    """
    from pipeline.report.release.page import content_security_policy, release_page

    return release_page(_details(workspace, name)), content_security_policy()


def decision_card(release: ReleaseRecord) -> str:
    """Return the full card of a release as Markdown; it holds no text of a user."""
    from pipeline.report.release.card import build_card
    from pipeline.report.release.markdown import markdown

    return markdown(build_card(cast(ReleaseDetails, release)))


def model_card(release: ReleaseRecord) -> str:
    """Return the card of a release, as short as MLflow requires of a version's description."""
    from pipeline.report.release.card import build_card
    from pipeline.report.release.markdown import brief

    return brief(build_card(cast(ReleaseDetails, release)))


def describe_in_registry(workspace: Workspace, release: ReleaseRecord) -> None:
    """Tag the version in MLflow with its release and the gate's decision; describe it by its card."""
    tags = {
        "release": release["release"],
        "decision": "accepted" if release["decision"]["accepted"] else "refused",
        "data_version": release["data_version"],
    }
    card = model_card(_details(workspace, release["release"]))
    registry = open_registry(workspace)
    version = registry.version_of(candidate_digest(release), release["model_version"])
    if version:  # else somebody deleted it
        registry.describe(version, card, tags)


def history(workspace: Workspace) -> list[ReignRecord]:
    """Return every move of the champion, newest first, with the time that the next one ended it."""
    return list(reversed(Ledger(workspace.ledger).reigns()))


def write_history(workspace: Workspace, out: Path | None) -> Path:
    """Write the timeline of the champions as a page, by default to `.tonewatch/reports/`; return its path."""
    from pipeline.report.release.page import history_page

    ledger = Ledger(workspace.ledger)
    releases = [_with_approvals(ledger, release.record) for release in ledger.releases()]
    page = (out or workspace.reports / "history.html").resolve()
    text = history_page(ledger.reigns(), releases, now=times.format_seconds(datetime.now(UTC)))
    files.write_bytes(page, text.encode())
    return page


def _details(workspace: Workspace, name: str | None) -> ReleaseDetails:
    release = show_release(workspace, name)
    details = _with_approvals(Ledger(workspace.ledger), release)
    try:
        version = data_versions.show_version(workspace.root, release["data_version"])
    except TonewatchError:
        # A release is complete without its data version; only its card shows less.
        return details
    details["data"] = version.as_dict()
    return details


def _with_approvals(ledger: Ledger, release: ReleaseRecord) -> ReleaseDetails:
    approval = ledger.approval(release["release"]) if release.get("approval") == "human" else None
    approvals = [cast(ApprovalRecord, vars(approval))] if approval else []
    return cast(ReleaseDetails, {**release, "approvals": approvals})


def _changed_texts(workspace: Workspace, release: ReleaseDetails) -> dict[str, str]:
    """Return the texts of changed predictions by id, where the release's own data are in the working tree."""
    splits = workspace.root / "data" / "splits"
    try:
        fingerprint = files.verified_receipt(splits, made_by="split").notes["fingerprint"]
        comparison = release.get("comparison")
        changed = {entry["id"] for entry in comparison["changed"]["texts"]} if comparison else set()
        if not changed or fingerprint != release["data"]["fingerprint"]:
            return {}
        records = parquet.read_texts(splits / "test.parquet")
        return {record.id: record.text for record in records if record.id in changed}
    except (TonewatchError, KeyError):
        return {}
