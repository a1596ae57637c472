"""A workspace with texts that were drawn and wait for labels."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import running_service
import yaml
from journal_fixtures import ENTRY, stamp

from pipeline.base.config import Workspace
from pipeline.base.records import JournalEntry
from pipeline.base.times import format_seconds
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.params_file import load_params
from pipeline.monitoring import audit_labels


def set_audit(workspace: Workspace, **values: Any) -> None:
    """Change values of `watch.audit` in params.yaml."""
    params = yaml.safe_load(workspace.params.read_text("utf-8"))
    params["watch"]["audit"] |= values
    workspace.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def queue_of(root: Path, texts: Sequence[str], *, releases: int = 0, **changes: Any) -> Workspace:
    """Make a workspace in whose queue each of these texts waits, a cluster of its own each."""
    workspace = running_service.make_workspace(root, releases=releases)
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
