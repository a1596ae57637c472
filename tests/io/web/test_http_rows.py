"""JSON pages are read from a real server: all of them, anew only where it changed, never for ever."""

import dataclasses
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from web_server import WebServer, endless, hang_up, redirect, running_web_server, send, send_json

from pipeline.base.config import CollectConfig, HttpSource, Workspace
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.base.records import TextRecord, Unreadable
from pipeline.core.privacy.names import person_digest
from pipeline.core.privacy.preparation import MASKED
from pipeline.io import parquet
from pipeline.io.sources.source_reader import open_sources
from pipeline.io.web import session
from pipeline.io.web.http_rows import read_http
from pipeline.io.web.keeping import Keeping
from pipeline.io.web.window import WebRows
from pipeline.stages.collect import collect

NOW = datetime(2026, 9, 14, tzinfo=UTC)
COLUMNS = dict.fromkeys(("rating", "group", "time", "split")) | {
    "text": "body.text",
    "label": "mood",
    "id": "id",
}
KEEPING = Keeping(MASKED.name, MASKED, person_digest, lambda _name, _text: False)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with running_web_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.01)


def declare(url: str, **changes: Any) -> dict[str, Any]:
    row = {"kind": "http", "name": "tickets", "url": url, "rows": "items", "allow_private": True}
    row |= {"columns": COLUMNS, "group_pattern": None, "ratings": None, "label_map": {}, "lang": "en"}
    return row | {"licence": "own", "max_seconds": 20} | changes


def read(folder: Path, url: str, *, max_bytes: int = 100_000, now: datetime = NOW, **changes: Any) -> WebRows:
    source = HttpSource.model_validate(declare(url, **changes))
    return read_http(source, folder / "web" / source.name, max_bytes=max_bytes, keeping=KEEPING, now=now)


def item(number: int, text: str = "", mood: str = "good", **more: Any) -> dict[str, Any]:
    return {"id": number, "body": {"text": text or f"text {number}"}, "mood": mood, **more}


def texts(rows: WebRows) -> list[str]:
    return [row.reason if isinstance(row, Unreadable) else row["body.text"] for row in rows.rows()]


def three_pages(server: WebServer, way: str) -> dict[str, Any]:
    """Serve items 1 to 5 on three pages, and return the keys that lead through them."""
    pages = [[item(1), item(2)], [item(3), item(4)], [item(5)]]
    urls = ["/t?q=a%20b", "/t?q=a%20b&page=2", "/t?q=a%20b&page=3"]
    if way == "parameter":
        for number, page in enumerate([*pages, []], start=1):
            server.replies[f"/t?q=a+b&page={number}"] = send_json({"items": page})
        return {"next_parameter": "page"}
    for number, (url, page) in enumerate(zip(urls, pages, strict=True)):
        following = urls[number + 1] if number < 2 else None
        link = {"Link": f'<{urls[0]}>; rel="first", <{following}>; rel="next"'} if following else {}
        document = {"items": page} | ({"links": {"next": following}} if way == "key" else {})
        server.replies[url] = send_json(document, **(link if way == "link" else {}))
    return {"next_key": "links.next"} if way == "key" else {"next_link": True}


@pytest.mark.parametrize("way", ["key", "parameter", "link"])
def test_every_page_is_read(server: WebServer, tmp_path: Path, way: str) -> None:
    keys = three_pages(server, way)

    assert texts(read(tmp_path, f"{server.url}/t?q=a%20b", **keys)) == [f"text {n}" for n in range(1, 6)]


def test_a_page_that_names_a_next_one_is_not_the_whole(server: WebServer, tmp_path: Path) -> None:
    three_pages(server, "link")

    rows = read(tmp_path, f"{server.url}/t?q=a%20b")

    assert texts(rows) == ["text 1", "text 2"]
    assert "write `next_link: true`" in rows.remark


def test_a_page_that_did_not_change_is_what_was_read_before(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": [item(1)], "next": "/u"}, ETag='"one"')
    server.replies["/u"] = send_json({"items": [item(2, "call me at +49 30 901820")]}, ETag='"two"')
    first = read(tmp_path, f"{server.url}/t", next_key="next")
    again = read(tmp_path, f"{server.url}/t", next_key="next")
    server.replies["/u"] = send_json({"items": [item(3)]}, ETag='"three"')
    changed = read(tmp_path, f"{server.url}/t", next_key="next")

    assert [asked.get("If-None-Match") for _, asked in server.asked] == [
        None,
        None,
        '"one"',
        '"two"',
        '"one"',
        '"two"',
    ]
    assert texts(first) == texts(again)
    assert first.identity == again.identity
    assert texts(changed) == ["text 1", "text 3"]
    assert changed.identity != again.identity


def test_other_columns_of_a_page_that_did_not_change_are_read_anew(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": [item(1, topic="phones")]}, ETag='"one"')
    read(tmp_path, f"{server.url}/t")

    rows = read(tmp_path, f"{server.url}/t", columns=COLUMNS | {"topic": "topic"})

    assert [row["topic"] for row in rows.rows() if not isinstance(row, Unreadable)] == ["phones"]
    assert server.asked[-1][1].get("If-None-Match") is None


def test_nothing_of_a_person_is_stored(server: WebServer, tmp_path: Path) -> None:
    rows = [item(1, "mail ada@example.com"), item(2) | {"id": "@ada_lovelace"}, "raw ada@example.com"]
    server.replies["/t"] = send_json({"items": rows, "owner": "ada@example.com"}, ETag='"one"')

    read_rows = read(tmp_path, f"{server.url}/t")

    assert len(texts(read_rows)) == 3
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"ada@" not in stored
    assert b"lovelace" not in stored
    table = parquet.read_rows(tmp_path / "web/tickets/rows.parquet")
    assert not re.search("ada@|lovelace", repr(table))
    assert "text" in repr(table)
    assert (tmp_path / "web").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(server: WebServer, tmp_path: Path, status: int) -> None:
    server.replies["/t"] = [send(b"", status), send(b"", status), send_json({"items": [item(1)]})]

    assert texts(read(tmp_path, f"{server.url}/t")) == ["text 1"]
    assert len(server.asked) == 3


def test_a_dropped_connection_is_asked_again(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = [
        hang_up,
        lambda handler: handler.connection.close(),
        send_json({"items": [item(1)]}),
    ]

    assert texts(read(tmp_path, f"{server.url}/t")) == ["text 1"]


def test_a_server_is_waited_for_as_long_as_it_asks(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("pipeline.io.web.session.time.sleep", waited.append)
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True)
    replies = [send(b"", 429, Retry_After=when) for when in ("7", soon, "garbage", "-5")]
    server.replies["/t"] = [*replies, send_json({"items": [item(1)]})]

    assert texts(read(tmp_path, f"{server.url}/t")) == ["text 1"]
    assert waited[0] == 7
    assert 7 < waited[1] <= 9
    assert len(waited) == 4
    assert max(waited[2:]) < 1


def test_a_wait_that_outlasts_the_run_is_refused_at_once(server: WebServer, tmp_path: Path) -> None:
    for when in ("100000", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"):
        server.replies["/t"] = send(b"", 503, Retry_After=when)
        with pytest.raises(SourceUnreachable, match=r"status 503; the next try would come in .* are left of"):
            read(tmp_path, f"{server.url}/t", max_seconds=5)

    assert not (tmp_path / "web" / "tickets").exists()


def test_after_five_tries_the_source_is_unreachable(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send(b"", 500)

    with pytest.raises(SourceUnreachable, match=r"status 500, 5 times. Correct `url`"):
        read(tmp_path, f"{server.url}/t")

    assert len(server.asked) == 5


REFUSED = {
    "a circle of redirects": (redirect("/t"), {}, SourceUnreachable, "redirects in a circle"),
    "another scheme": (redirect("https://example.com/t"), {}, SourceUnreachable, r"another scheme \(https\)"),
    "a file": (redirect("file:///etc/passwd"), {}, SourceUnreachable, r"another scheme \(file\)"),
    "the address of a cloud's secrets": (
        redirect("http://169.254.169.254/t"),
        {},
        SourceUnreachable,
        "link-local address",
    ),
    "no end": (
        endless,
        {"max_bytes": 300_000},
        DataRejected,
        "serves more than the 300,000 bytes .* Raise `collect.max_m",
    ),
    "nothing": (send(b"", 404), {}, SourceUnreachable, "has nothing at /t"),
    "no key": (send(b"", 401), {}, SourceUnreachable, r"status 401; .*headers: \{Authorization: NAME\}"),
    "a page of HTML": (
        send(b"<html>", Content_Type="text/html"),
        {},
        DataRejected,
        "page 1 is not JSON .*calls it text/html",
    ),
    "another key": (send_json({"data": {"rows": [item(1)]}}), {}, DataRejected, "Write `rows: data.rows`"),
    "no list": (send_json({"ok": True}), {}, DataRejected, r"no list of objects \(keys: ok\)"),
    "another column": (
        send_json({"items": [{"id": 1, "txt": "a", "mood": "good"}]}),
        {},
        DataRejected,
        "no column 'body.text' .*'txt'",
    ),
    "a number as address": (
        send_json({"items": [item(1)], "next": 2}),
        {"next_key": "next"},
        DataRejected,
        "For page numbers write `next_parameter",
    ),
    "pages in a circle": (
        send_json({"items": [item(1)], "next": "/t"}),
        {"next_key": "next"},
        DataRejected,
        "pages have no end",
    ),
    "deep nesting": (send(b"[" * 200_000), {"max_bytes": 300_000}, DataRejected, "is not JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_the_next_step(
    server: WebServer, tmp_path: Path, name: str
) -> None:
    reply, changes, error, message = REFUSED[name]
    server.replies["/t"] = reply

    with pytest.raises(error, match=message):
        read(tmp_path, f"{server.url}/t", **changes)

    assert not (tmp_path / "web" / "tickets").exists()


def test_a_page_that_is_too_large_to_hold_is_refused(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.WebSession.__init__, "__kwdefaults__", {"page_bytes": 300_000})
    server.replies["/t"] = endless

    with pytest.raises(SourceUnreachable, match="a page of more than 300,000 bytes; ask for smaller ones"):
        read(tmp_path, f"{server.url}/t", max_bytes=10**8)


def test_pages_without_rows_are_refused(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": []})

    with pytest.raises(DataRejected, match=r"returns no rows. Correct `url` or `rows`"):
        read(tmp_path, f"{server.url}/t")


def test_pages_without_end_are_refused(server: WebServer, tmp_path: Path) -> None:
    for number in range(1, 9):
        server.replies[f"/t?page={number}"] = send_json({"items": [item(number)]})
    with pytest.raises(DataRejected, match=r"more than 5 pages. Raise `max_pages`"):
        read(tmp_path, f"{server.url}/t", next_parameter="page", max_pages=5)

    for number in range(1, 9):
        server.replies[f"/t?page={number}"] = send_json({"items": [item(1)]})
    with pytest.raises(DataRejected, match="page 2 is an earlier page again"):
        read(tmp_path, f"{server.url}/t", next_parameter="page")


def test_this_machine_is_asked_only_where_params_yaml_says_so(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": [item(1)]})
    for host in ("127.0.0.1", "localhost", "0x7f000001", "[::1]"):
        url = f"http://{host}:{server.server.server_port}/t"
        with pytest.raises(SourceUnreachable, match=r"loopback address .*Write `allow_private: true`"):
            read(tmp_path, url, allow_private=False)

    assert server.asked == []


def test_a_key_goes_to_the_host_of_the_source_alone(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETS_KEY", "Bearer canary-4711")
    with running_web_server() as other:
        server.replies["/t"] = send_json({"items": [item(1)], "next": f"{other.url}/u"})
        other.replies["/u"] = send_json({"items": [item(2)]})
        read(tmp_path, f"{server.url}/t", next_key="next", headers={"Authorization": "TICKETS_KEY"})

        assert server.asked[0][1]["Authorization"] == "Bearer canary-4711"
        assert "Authorization" not in other.asked[0][1]
    server.replies["/t"] = send(b"canary-4711", 200, Content_Type="canary-4711")
    with pytest.raises(DataRejected) as refused:
        read(tmp_path, f"{server.url}/t", headers={"Authorization": "TICKETS_KEY"})
    assert "canary" not in str(refused.value)
    monkeypatch.delenv("TICKETS_KEY")
    with pytest.raises(SourceUnreachable, match="export TICKETS_KEY=VALUE"):
        read(tmp_path, f"{server.url}/t", headers={"Authorization": "TICKETS_KEY"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "https://ada:secret@host/t"}, "url holds credentials"),
        ({"url": "https://host/t?api_key=secret"}, "url holds credentials"),
        ({"url": "file:///etc/passwd"}, "url is no address"),
        ({"url": "https://host:99999/t"}, "url is no address"),
        ({"headers": {"Host": "HOME"}}, "headers cannot set Host"),
        ({"next_key": "next", "next_link": True}, "write one of"),
    ],
)
def test_params_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HttpSource.model_validate(declare("https://host/t") | changes)


def test_rows_of_the_future_wait_until_their_time_has_come(server: WebServer, tmp_path: Path) -> None:
    rows = [
        item(1, at="2026-09-13T08:00:00Z"),
        item(2, at="2026-09-20T08:00:00Z"),
        item(3, at="soon"),
        item(4),
    ]
    server.replies["/t"] = send_json({"items": rows}, ETag='"one"')
    first = read(tmp_path, f"{server.url}/t", watermark="at")
    again = read(tmp_path, f"{server.url}/t", watermark="at", now=NOW + timedelta(hours=1))
    later = read(tmp_path, f"{server.url}/t", watermark="at", now=NOW + timedelta(days=9))

    assert texts(first)[0] == "text 1"
    assert len(texts(first)) == 3, "two rows cannot be read: their time is none"
    assert first.watermark == "2026-09-13T08:00:00.000000Z"
    assert "1 rows lie in the future by `watermark: at`" in first.remark
    assert again.identity == first.identity, "the same window twice is the same version"
    assert "text 2" in texts(later), "although the page did not change"
    assert later.watermark == "2026-09-20T08:00:00.000000Z"


def test_of_a_row_on_two_pages_the_later_one_counts(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": [item(1), item(2), item(3)], "next": "/u"})
    server.replies["/u"] = send_json({"items": [item(2), item(3, "edited"), item(4)]})

    rows = read(tmp_path, f"{server.url}/t", next_key="next")

    assert texts(rows) == ["text 1", "text 2", "edited", "text 4"]
    assert "2 rows stood on two pages" in rows.remark
    assert "(1 with another text)" in rows.remark


def test_an_id_that_names_many_texts_is_no_id(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": [item(n, f"first {n}") for n in range(50)], "next": "/u"})
    server.replies["/u"] = send_json({"items": [item(n, f"second {n}") for n in range(50)]})

    with pytest.raises(DataRejected, match="21 ids name different texts on different pages"):
        read(tmp_path, f"{server.url}/t", next_key="next")


def test_a_page_that_cannot_be_read_leaves_what_is_kept(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": [item(1)], "next": "/u"}, ETag='"one"')
    server.replies["/u"] = [send_json({"items": [item(2)]}), send(b"", 500)]
    before = read(tmp_path, f"{server.url}/t", next_key="next")
    with pytest.raises(SourceUnreachable):
        read(tmp_path, f"{server.url}/t", next_key="next")
    server.replies["/u"] = send_json({"items": [item(2)]})

    assert read(tmp_path, f"{server.url}/t", next_key="next").identity == before.identity


def test_pages_become_records_and_the_receipt_names_what_waits(server: WebServer, tmp_path: Path) -> None:
    page = send_json({"items": [item(1, "so good <b>indeed</b>", at=5), item(2, "so bad", "bad", at=7)]})
    server.replies["/t"] = [page, send_json({"items": [item(9, at=9)]})]
    cfg = CollectConfig.model_validate(
        {
            "max_megabytes": 1,
            "labels": ["good", "bad"],
            "sources": [declare(f"{server.url}/t", watermark="at")],
        }
    )
    reader = open_sources(Workspace.of(tmp_path, {}), cfg, KEEPING)
    before = reader.identity(cfg.sources[0])

    receipt = collect(reader, tmp_path / "raw", mask=True)
    records = [one for one in reader.records(cfg.sources[0]) if isinstance(one, TextRecord)]

    assert receipt.counts["out"] == 2, "identity and collect of a run read the same rows"
    assert receipt.notes["source/tickets"] == before
    assert receipt.notes["watermark/tickets"] == "7"
    assert [(one.id, one.label) for one in records] == [("tickets:1", "good"), ("tickets:2", "bad")]
    assert dataclasses.asdict(records[0])["text"] == "so good indeed"


READ = """
import sys
from pathlib import Path
from pipeline.base.config import HttpSource
from pipeline.io.web.http_rows import read_http
from pipeline.io.web.keeping import AS_IT_IS
source = HttpSource.model_validate_json(sys.argv[1])
read_http(source, Path(sys.argv[2]), max_bytes=10**6, keeping=AS_IT_IS)
"""


def test_a_reading_that_is_killed_leaves_what_was_kept(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": [item(1)], "next": "/u"}, ETag='"one"')
    server.replies["/u"] = send_json({"items": [item(2)]})
    before = read(tmp_path, f"{server.url}/t", next_key="next")
    asked, release = threading.Event(), threading.Event()

    def stall(_handler: Any) -> None:
        asked.set()
        release.wait(60)

    server.replies["/u"] = stall
    source = json.dumps(declare(f"{server.url}/t", next_key="next", max_seconds=60))
    reading = subprocess.Popen([sys.executable, "-c", READ, source, tmp_path / "web/tickets"])
    assert asked.wait(60)
    reading.kill()
    reading.wait()
    release.set()
    server.replies["/u"] = send_json({"items": [item(2)]})

    assert read(tmp_path, f"{server.url}/t", next_key="next").identity == before.identity
    assert sorted(path.name for path in (tmp_path / "web").iterdir()) == [".tickets.lock", "tickets"]


def test_two_readings_at_once_come_to_the_same(server: WebServer, tmp_path: Path) -> None:
    server.replies["/t"] = send_json({"items": [item(n) for n in range(50)]}, ETag='"one"')
    with ThreadPoolExecutor(4) as pool:
        readings = list(pool.map(lambda _: read(tmp_path, f"{server.url}/t"), range(8)))

    assert len({one.identity for one in readings}) == 1
    assert {len(texts(one)) for one in readings} == {50}
