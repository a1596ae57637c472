"""The checks of doctor that compare what is stored in several places."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

from journal_fixtures import ENTRY, stamp

from pipeline.base.config import Workspace
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.registry.ledger import Ledger
from pipeline.operations.consistency import check_journal


def test_the_last_of_many_predictions_is_compared_with_the_ledger(tmp_path: Path) -> None:
    places = Workspace.of(tmp_path, {})
    (tmp_path / ".tonewatch").mkdir()
    Ledger(places.ledger).add({"identity": "a", "data_version": "v1"})
    when = datetime.now(UTC) - timedelta(minutes=1)
    request = request_id(when)
    journal = Journal(places.journal, retention_days=9)
    known = [
        dataclasses.replace(ENTRY, request=request, position=position, time=stamp(when))
        for position in range(10_100)
    ]
    journal.append(known)

    assert check_journal(places).ok
    journal.append([dataclasses.replace(known[0], position=10_100, release="R7")])
    journal.close()

    assert "predictions of R7 on v1" in check_journal(places).message
