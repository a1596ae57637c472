"""Feeds are read from a real server: entries stay when they leave the feed, and no feed hurts."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from web_server import Reply, WebServer, endless, redirect, running_web_server, send

from pipeline.base.config import CollectConfig, FeedSource, Workspace
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.base.records import Unreadable
from pipeline.core.privacy.names import person_digest
from pipeline.core.privacy.preparation import MASKED, PLAIN, Preparation
from pipeline.io import parquet
from pipeline.io.feeds.feed_rows import read_feed_rows
from pipeline.io.sources.source_reader import open_sources
from pipeline.io.web import session
from pipeline.io.web.keeping import Keeping
from pipeline.io.web.window import WebRows
from pipeline.stages.collect import collect

NOW = datetime(2026, 9, 14, tzinfo=UTC)
FORGOTTEN: set[str] = set()


def keeping(prepare: Preparation = MASKED) -> Keeping:
    return Keeping(prepare.name, prepare, person_digest, lambda name, _text: name in FORGOTTEN)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with running_web_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.01)
    FORGOTTEN.clear()


def declare(url: str, **changes: Any) -> dict[str, Any]:
    row = {"kind": "feed", "name": "news", "url": url, "lang": "en", "licence": "own", "allow_private": True}
    return row | {"label": "neutral", "max_seconds": 20} | changes


def read(
    folder: Path, url: str, *, now: datetime = NOW, keep: Keeping | None = None, **changes: Any
) -> WebRows:
    source = FeedSource.model_validate({k: v for k, v in declare(url, **changes).items() if v is not None})
    return read_feed_rows(
        source, folder / "web/news", root=folder, max_bytes=10_000_000, keeping=keep or keeping(), now=now
    )


def rss(*items: str, head: str = "") -> bytes:
    body = "".join(f"<item>{one}</item>" for one in items)
    channel = f"<channel><title>N</title>{body}</channel>"
    return f'<?xml version="1.0"?>{head}<rss version="2.0">{channel}</rss>'.encode()


def item(key: str, title: str = "", date: str = "Sat, 12 Sep 2026 08:00:00 GMT", more: str = "") -> str:
    return f"<guid>{key}</guid><title>{title or f'text {key}'}</title><pubDate>{date}</pubDate>{more}"


def serve(server: WebServer, content: bytes, **headers: str) -> str:
    server.replies["/f"] = (
        with_etag(content, headers["ETag"]) if "ETag" in headers else send(content, **headers)
    )
    return f"{server.url}/f"


def with_etag(content: bytes, etag: str) -> Reply:
    def reply(handler: Any) -> None:
        same = handler.headers["If-None-Match"] == etag
        send(b"" if same else content, 304 if same else 200, ETag=etag)(handler)

    return reply


def rows_of(rows: WebRows) -> list[dict[str, str]]:
    return [row for row in rows.rows() if not isinstance(row, Unreadable)]


def texts(rows: WebRows) -> list[str]:
    return [row["text"] for row in rows_of(rows)]


ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>N</title>
<entry><id>tag:a,1</id><title type="html">Good &lt;b&gt;news&lt;/b&gt;</title>
<updated>2026-09-12T10:00:00+02:00</updated>
<category term="phones" label="Phones"/><summary>short</summary>
<content type="html">&lt;p&gt;A longer &lt;i&gt;body&lt;/i&gt;&lt;/p&gt;</content></entry>
<entry><link href="https://example.com/2"/><title>No id, no date</title></entry></feed>"""


def test_entries_of_atom_have_text_time_topic_and_id(server: WebServer, tmp_path: Path) -> None:
    first, second = rows_of(read(tmp_path, serve(server, ATOM)))[::-1]

    assert first == {
        "text": "Good news A longer body", "id": "tag:a,1", "time": "2026-09-12T08:00:00Z",
        "topic": "Phones", "label": "neutral",
    }  # fmt: skip
    assert second["text"] == "No id, no date"
    assert (second["id"], second["time"], second["topic"]) == ("https://example.com/2", "", "")


def test_an_entry_that_left_the_feed_stays_and_a_new_version_of_one_counts(
    server: WebServer, tmp_path: Path
) -> None:
    first = read(tmp_path, serve(server, rss(item("2"), item("1"))))
    again = read(tmp_path, serve(server, rss(item("2"), item("1"))))
    later = read(tmp_path, serve(server, rss(item("3"), item("2", "text 2, corrected"))))

    assert texts(first) == ["text 1", "text 2"]
    assert first.identity == again.identity
    assert texts(later) == ["text 1", "text 2, corrected", "text 3"]


def test_a_feed_that_did_not_change_is_what_is_kept(server: WebServer, tmp_path: Path) -> None:
    url = serve(server, rss(item("1")), ETag='"a"')
    first = read(tmp_path, url)
    before = (tmp_path / "web/news/rows.parquet").stat().st_mtime_ns
    again = read(tmp_path, url)

    assert server.asked[1][1]["If-None-Match"] == '"a"'
    assert again.identity == first.identity
    assert (tmp_path / "web/news/rows.parquet").stat().st_mtime_ns == before


def test_a_feed_that_fails_leaves_what_is_kept(server: WebServer, tmp_path: Path) -> None:
    first = read(tmp_path, serve(server, rss(item("1"))))
    for reply in (send(b"", 429), send(b"", 500), send(b"", 410), redirect("/f"), endless):
        server.replies["/f"] = reply
        with pytest.raises((SourceUnreachable, DataRejected)):
            read(tmp_path, f"{server.url}/f", max_megabytes=1)

    assert read(tmp_path, serve(server, rss(item("1")))).identity == first.identity


def test_masked_entries_alone_are_stored(server: WebServer, tmp_path: Path) -> None:
    author = "<author>carol@example.com</author>"
    url = serve(server, rss(item("https://h/@dave_w/1", "mail erin@example.com", more=author)))
    read(tmp_path, url)

    table = repr(parquet.read_rows(tmp_path / "web/news/rows.parquet"))
    assert "[email]" in table
    assert [name for name in ("carol", "dave_w", "erin") if name in table] == []


def test_what_was_kept_unmasked_is_masked_once_masking_is_on(server: WebServer, tmp_path: Path) -> None:
    url = serve(server, rss(item("1", "mail erin@example.com")), ETag='"a"')
    plain = Keeping(PLAIN.name, PLAIN, str, lambda _name, _text: False)
    assert texts(read(tmp_path, url, keep=plain)) == ["mail erin@example.com"]
    serve(server, rss(item("2")), ETag='"b"')

    assert texts(read(tmp_path, url)) == ["mail [email]", "text 2"]
    assert "erin" not in repr(parquet.read_rows(tmp_path / "web/news/rows.parquet"))


def test_a_forgotten_entry_does_not_come_back(server: WebServer, tmp_path: Path) -> None:
    FORGOTTEN.add("news:1")

    assert texts(read(tmp_path, serve(server, rss(item("2"), item("1"))))) == ["text 2"]


def test_an_entry_of_the_future_waits(server: WebServer, tmp_path: Path) -> None:
    url = serve(
        server, rss(item("2", date="Sun, 20 Sep 2026 08:00:00 GMT"), item("1"), item("3", date="soon"))
    )
    first = read(tmp_path, url)

    assert texts(first) == ["text 3", "text 1"]
    assert "1 rows lie in the future" in first.remark
    assert "text 2" in texts(read(tmp_path, url, now=NOW + timedelta(days=7)))


def test_entries_that_share_one_id_are_all_read(server: WebServer, tmp_path: Path) -> None:
    url = serve(server, rss(item("same", "text 1"), item("same", "text 2"), item("same", "text 2")))

    assert sorted(texts(read(tmp_path, url))) == ["text 1", "text 2"]


def test_what_is_readable_of_a_malformed_feed_is_read(server: WebServer, tmp_path: Path) -> None:
    cut = rss(item("1"), item("2"))[:-40]
    garbage = rss(item("3", "a &nbsp; b & c"), item("4", "caf\xe9")).decode().encode("latin-1", "replace")

    assert texts(read(tmp_path, serve(server, cut)))[-1] == "text 1"
    assert "text 1" in texts(read(tmp_path, serve(server, garbage)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no RSS or Atom feed"),
        (b"<html><body>hello</body></html>", "is no RSS or Atom feed"),
        (b'{"items": []}', "for pages of JSON write `kind: http`"),
        (bytes(range(256)) * 20, "is no RSS or Atom feed"),
        (rss(), "has no entry to learn from"),
    ],
    ids=["nothing", "html", "json", "binary", "empty"],
)
def test_what_is_no_feed_is_refused(server: WebServer, tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataRejected, match=message):
        read(tmp_path, serve(server, content))


def test_a_feed_of_200_megabytes_is_refused_before_it_is_read(server: WebServer, tmp_path: Path) -> None:
    def large(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(rss(item("1"))[:-20])
        for _ in range(3200):
            handler.wfile.write(b"<item><title>" + b"x" * 65_000 + b"</title></item>")

    server.replies["/f"] = large
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataRejected, match=r"more than the 20,000,000 bytes .* Raise `max_megabytes`"):
        read(tmp_path, f"{server.url}/f")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


BOMB = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from pathlib import Path
from pipeline.base.config import FeedSource
from pipeline.io.feeds.entries import read_feed
from pipeline.io.web.pages import Page
source = FeedSource(kind="feed", name="n", url="http://h/f", lang="en", licence="o", label="x", columns={})
content = Path(sys.argv[1]).read_bytes()
try:
    print("read", len(read_feed(Page("http://h/f", content, {}), content, source, "n").entries))
except Exception as error:
    print(type(error).__name__, str(error)[:200])
# `ru_maxrss` begins with what the parent held.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1000)
"""


def test_an_entity_bomb_costs_no_memory(tmp_path: Path) -> None:
    names = [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)]
    laughs = f'<!DOCTYPE rss [<!ENTITY l0 "lol">{"".join(names)}]>'
    outside = '<!DOCTYPE rss [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>'
    for head in (laughs, outside):
        (tmp_path / "bomb").write_bytes(rss(item("1", "&l9;"), item("2"), head=head))
        ran = subprocess.run(
            [sys.executable, "-c", BOMB, tmp_path / "bomb"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        outcome, megabytes = ran.stdout.strip().splitlines()
        assert outcome.startswith(("read", "DataRejected")), ran.stdout
        assert int(megabytes) < 300
        assert "root:" not in ran.stdout


def test_labels_come_from_a_table_and_the_other_entries_wait(server: WebServer, tmp_path: Path) -> None:
    url = serve(server, rss(item("1"), item("2"), item("3")))
    keys = {"label": None, "labels_path": "labels.csv"}
    with pytest.raises(SourceUnreachable, match="Write a table with the columns id and label"):
        read(tmp_path, url, **keys)
    (tmp_path / "labels.csv").write_text("id,label\n1,positive\nnews:2,negative\n", "utf-8")
    rows = read(tmp_path, url, **keys)
    (tmp_path / "labels.csv").write_text("id,label\n1,positive\n1,negative\n", "utf-8")
    with pytest.raises(DataRejected, match="two labels for the id '1'"):
        read(tmp_path, url, **keys)

    assert [(row["id"], row["label"]) for row in rows_of(rows)] == [("2", "negative"), ("1", "positive")]
    assert "1 entries wait for a label: add their ids to labels.csv" in rows.remark


def test_a_field_of_the_entries_may_be_their_rating(server: WebServer, tmp_path: Path) -> None:
    more = '<im:rating xmlns:im="http://itunes.apple.com/rss">4</im:rating>'
    url = serve(server, rss(item("1", more=more)))

    rows = read(tmp_path, url, label=None, columns={"rating": "im_rating"})

    assert [row["im_rating"] for row in rows_of(rows)] == ["4"]


@pytest.mark.parametrize(
    "changes", [{}, {"label": "a", "labels_path": "l.csv"}, {"label": "a", "columns": {"rating": "r"}}]
)
def test_a_feed_without_one_home_for_its_labels_is_refused(changes: dict[str, Any]) -> None:
    row = declare("https://host/f")
    del row["label"]

    with pytest.raises(ValidationError, match=r"a feed has no labels\. Write one of `label: neutral`"):
        FeedSource.model_validate(row | changes)


def test_entries_become_records_of_their_source(server: WebServer, tmp_path: Path) -> None:
    url = serve(server, rss(item("1", "so <b>good</b>", more="<category>phones</category>")))
    cfg = CollectConfig.model_validate(
        {"max_megabytes": 1, "labels": ["neutral", "bad"], "sources": [declare(url)]}
    )

    receipt = collect(open_sources(Workspace.of(tmp_path, {}), cfg, keeping()), tmp_path / "raw", mask=True)
    (record,) = parquet.read_texts(tmp_path / "raw" / "texts.parquet")

    assert (record.id, record.source, record.topic) == ("news:1", "news", "phones")
    assert (record.text, record.time) == ("so good", "2026-09-12T08:00:00Z")
    assert receipt.counts["source/news"] == 1
