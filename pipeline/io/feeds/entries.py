"""The entries of an RSS or Atom feed, as feedparser reads them from bytes that we fetched."""

import calendar
import io
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.base.config import FeedSource
from pipeline.base.errors import DataRejected
from pipeline.base.times import SECOND
from pipeline.io.table_files.json_rows import cell
from pipeline.io.web.pages import Page


@dataclass(frozen=True)
class Feed:
    """The entries of a feed, each as columns, and why it is malformed, empty where it is not."""

    entries: list[dict[str, str]]
    fault: str


def read_feed(page: Page, content: bytes, source: FeedSource, where: str) -> Feed:
    """Parse a feed; what is readable of a malformed one is read.

    Raises DataRejected for what is no feed.
    """
    import feedparser

    # Without the address of the page: ids would be taken for relative addresses.
    headers = {"content-type": page.headers.get("Content-Type", "")}
    # Bytes or a string would be taken for the name of a file or an address.
    parsed = feedparser.parse(
        io.BytesIO(content), response_headers=headers, resolve_relative_uris=False, sanitize_html=False
    )
    fault = ""
    harmless = (feedparser.CharacterEncodingOverride, feedparser.NonXMLContentType)
    if parsed.bozo and not isinstance(parsed.get("bozo_exception"), harmless):
        fault = type(parsed.get("bozo_exception")).__name__
    if not parsed.get("version") and not parsed.entries:
        raise DataRejected(
            f"{where} is no RSS or Atom feed ({fault or 'it has none of their elements'}). Correct `url` of "
            "this source in params.yaml; for pages of JSON write `kind: http`."
        )
    language = cell(parsed.feed.get("language"))
    entries = [_columns(entry, source, language) for entry in parsed.entries]
    _drop_shared_ids(entries)
    return Feed(entries, fault)


def publication(columns: dict[str, str]) -> str | None:
    """Return the time of an entry, None where it names none that is understood."""
    try:
        return datetime.fromisoformat(columns["time"]).isoformat() if columns["time"].endswith("Z") else None
    except ValueError:
        return None


def _drop_shared_ids(entries: list[dict[str, str]]) -> None:
    """Take an id from entries with different texts: some feeds give one id to all of them."""
    first: dict[str, str] = {}
    shared = {one["id"] for one in entries if first.setdefault(one["id"], one["text"]) != one["text"]}
    for entry in entries:
        if entry["id"] in shared:
            entry["id"] = ""


def _columns(entry: Any, source: FeedSource, language: str) -> dict[str, str]:
    # As feedparser names them, also those of extensions, as im_rating.
    columns = {str(name): cell(value) for name, value in entry.items() if isinstance(value, str)}
    tags = [cell(tag.get("label") or tag.get("term")) for tag in entry.get("tags", [])]
    return columns | {
        "text": _text(entry),
        "id": cell(entry.get("id") or entry.get("link")),
        "time": _time(entry),
        "topic": source.topic or next((tag for tag in tags if tag), ""),
        "language": language,
    }


def _text(entry: Any) -> str:
    """Return the title and the longest of content and summary, once where one begins with the other."""
    bodies = [cell(content.get("value")) for content in entry.get("content", [])]
    body = max([*bodies, cell(entry.get("summary"))], key=len).strip()
    title = cell(entry.get("title")).strip()
    if not title or body.startswith(title.rstrip("….")):
        return body or title
    return f"{title}\n{body}" if body else title


def _time(entry: Any) -> str:
    """Return when an entry was published, in UTC; as it is written where that is not understood."""
    for name in ("published", "updated", "created"):
        parsed = entry.get(f"{name}_parsed")
        if isinstance(parsed, time.struct_time):
            try:
                return datetime.fromtimestamp(calendar.timegm(parsed), UTC).strftime(SECOND)
            except (ValueError, OverflowError, OSError):
                pass
        if written := cell(entry.get(name)).strip():
            return written
    return ""
