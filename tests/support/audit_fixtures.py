"""A workspace with texts that were drawn and wait for labels."""

import dataclasses
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import running_service
from journal_fixtures import ENTRY, stamp

from pipeline.base.config import Workspace
from pipeline.base.records import JournalEntry
from pipeline.base.times import format_seconds
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.params_file import load_params
from pipeline.monitoring import audit_labels


def light_workspace(root: Path) -> Workspace:
    """Make a workspace with params.yaml alone: no release, no data."""
    root.mkdir(parents=True)
    (root / "params.yaml").write_bytes((running_service.CHECKOUT / "params.yaml").read_bytes())
    (root / "dvc.yaml").write_text("stages: {}\n")
    return Workspace.of(root, {})


def set_audit(workspace: Workspace, **values: Any) -> None:
    """Change values of `watch.audit` in params.yaml."""
    text = workspace.params.read_text("utf-8")
    for name, value in values.items():
        text, count = re.subn(rf"(?m)^(    {name}: )\S+", rf"\g<1>{value}", text)
        assert count == 1
    workspace.params.write_text(text, "utf-8")


def queue_of(root: Path, texts: Sequence[str], **changes: Any) -> Workspace:
    """Make a workspace in whose queue each of these texts waits, a cluster of its own each."""
    workspace = light_workspace(root)
    set_audit(workspace, per_topic_per_day=24 * len(texts), second_opinion=0)
    add_to_queue(workspace, texts, **changes)
    return workspace


def add_to_queue(
    workspace: Workspace, texts: Sequence[str], *, hours: int = 7, **changes: Any
) -> list[JournalEntry]:
    """Journal texts so many hours ago, and draw them; a later call needs a later hour."""
    when = datetime.now(UTC) - timedelta(hours=hours)
    defaults = {"time": stamp(when)}
    entries = [
        dataclasses.replace(
            ENTRY,
            request=request_id(when),
            text=text,
            **({"cluster": f"c{number}"} | defaults | changes),
        )
        for number, text in enumerate(texts)
    ]
    journal = Journal(workspace.journal, retention_days=90)
    journal.append(entries)
    journal.close()
    now = format_seconds(when + timedelta(hours=2))
    assert audit_labels.draw(workspace, now=now, params=load_params(workspace.params)) == len(texts)
    return entries
