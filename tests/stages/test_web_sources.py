"""Sources of the web as a run reads them: prepared by its own settings, and the same twice."""

from pathlib import Path
from typing import Any

import yaml
from audit_fixtures import light_workspace
from web_server import running_web_server, send, send_json

from pipeline.base.config import Workspace
from pipeline.base.records import Receipt
from pipeline.io import parquet
from pipeline.io.params_file import load_profile
from pipeline.operations.forgetting import Selection, forget_records
from pipeline.stages import collect, identity
from pipeline.stages.context import StageContext

COLUMNS = dict.fromkeys(("rating", "group", "time", "split")) | {"text": "text", "label": "label", "id": "id"}
RSS = (
    b'<rss version="2.0"><channel><item><guid>https://h/@grace_h/1</guid>'
    b"<title>write to grace@example.com</title></item></channel></rss>"
)


def declare(places: Workspace, url: str) -> None:
    """List an address with JSON pages and a feed, and nothing else."""
    content: Any = yaml.safe_load(places.params.read_text("utf-8"))
    table = {"columns": COLUMNS, "group_pattern": None, "ratings": None, "label_map": {}}
    rest = {"lang": "en", "licence": "own", "allow_private": True}
    content["collect"]["sources"] = [
        {"kind": "http", "name": "pages", "url": f"{url}/t", **table, **rest},
        {"kind": "feed", "name": "news", "url": f"{url}/f", "label": "neutral", **rest},
    ]
    places.params.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def run(places: Workspace) -> tuple[str, Receipt]:
    """Run the first two stages as a run does; return the identity of `collect` and its receipt."""
    context = StageContext(places, load_profile("laptop"))
    identity.run(context)
    receipt = collect.run(context)
    return (context.folder("identity") / "collect").read_text("utf-8"), receipt


def test_two_runs_over_pages_that_did_not_change_are_equal_and_hold_no_person(tmp_path: Path) -> None:
    places = light_workspace(tmp_path / "w")
    rows = [{"id": 1, "text": "call grace@example.com", "label": "positive"}]
    with running_web_server() as server:
        server.replies["/t"] = send_json(rows, ETag='"one"')
        server.replies["/f"] = send(RSS)
        declare(places, server.url)
        first, again = run(places), run(places)
        asked = [headers.get("If-None-Match") for path, headers in server.asked if path == "/t"]

    records = parquet.read_texts(places.root / "data/raw/texts.parquet")
    assert first == again
    assert asked == [None, '"one"'], "identity and collect of a run ask once"
    assert [one.text for one in records] == ["call [email]", "write to [email]"]
    notes = again[1].notes
    assert [n for n in sorted(notes) if n.startswith("source/")] == ["source/news", "source/pages"]
    tables = [path for path in places.root.rglob("*.parquet") if path.is_file()]
    assert len(tables) == 4
    assert [path for path in tables if "grace" in repr(parquet.read_rows(path))] == []


def test_what_was_forgotten_stays_away_although_it_is_still_served(tmp_path: Path) -> None:
    places = light_workspace(tmp_path / "w")
    rows = [{"id": n, "text": f"the quartz canary {n}", "label": "positive"} for n in range(3)]
    with running_web_server() as server:
        server.replies["/t"] = send_json(rows, ETag='"one"')
        server.replies["/f"] = send(RSS)
        declare(places, server.url)
        before, _ = run(places)
        forget_records(places, Selection.of(["pages:1"], [], []), dry_run=False)
        after, receipt = run(places)
        server.replies["/t"] = send_json(rows, ETag='"two"')
        run(places)

    texts = [one.text for one in parquet.read_texts(places.root / "data/raw/texts.parquet")]
    assert texts == ["the quartz canary 0", "the quartz canary 2", "write to [email]"]
    assert before != after
    assert receipt.counts["source/pages"] == 2
