"""Pages of JSON: the list of objects on each, and the address of the next one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from pipeline.base.config import HttpSource
from pipeline.base.errors import DataRejected
from pipeline.io.web.index_rules import printable
from pipeline.io.web.pages import Page

KEYS_LISTED, SHOWN_CHARACTERS = 20, 40


@dataclass(frozen=True)
class JsonPage:
    """The elements of a page's list, and the address of the next page, empty where there is none."""

    elements: list[Any]
    next_url: str


def page_address(source: HttpSource, number: int) -> str:
    """Return the address of page `number`, counted from 0, where a parameter counts the pages."""
    if source.next_parameter is None:
        return source.url
    parts = urlsplit(source.url)
    query = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != source.next_parameter
    ]
    query.append((source.next_parameter, str(source.first_page + number)))
    return urlunsplit(parts._replace(query=urlencode(query)))


def read_page(page: Page, content: bytes, source: HttpSource, number: int) -> JsonPage:
    """Return what a page holds.

    Raises DataRejected where it is not JSON, or has no list where params.yaml says.
    """
    where = f"source {source.name}, page {number + 1}"
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        kind = printable(page.headers.get("Content-Type", "no type").partition(";")[0][:SHOWN_CHARACTERS])
        reason = (
            error.msg if isinstance(error, json.JSONDecodeError) else "it is not UTF-8, or nested too deeply"
        )
        raise DataRejected(
            f"{where} is not JSON ({reason}; the server calls it {kind}). Correct `url` of this source in "
            "params.yaml; for RSS and Atom write `kind: feed`."
        ) from error
    elements = _list_of(document, source, where)
    return JsonPage(elements, _next_address(document, elements, page, source, number))


def value_at(document: object, key: str) -> Any:
    """Return the value at a key as `a.b`, None where there is none."""
    if isinstance(document, dict) and key in document:
        return document[key]
    for name in key.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _list_of(document: Any, source: HttpSource, where: str) -> list[Any]:
    value = document if source.rows is None else value_at(document, source.rows)
    if isinstance(value, list):
        return value
    place = "it" if source.rows is None else f"`rows: {source.rows}`"
    lists = [key for key, _ in _lists_in(document)][:KEYS_LISTED]
    if isinstance(document, dict) and not document:
        hint = "The page is empty."
    elif lists:
        hint = f"Write `rows: {lists[0]}`" + (f" (or {', '.join(lists[1:])})." if lists[1:] else ".")
    else:
        keys = (
            ", ".join(str(key)[:SHOWN_CHARACTERS] for key in list(document)[:KEYS_LISTED])
            if isinstance(document, dict)
            else ""
        )
        hint = f"It holds no list of objects (keys: {keys or 'none'}). Correct `url` in params.yaml."
    raise DataRejected(f"{where}: {place} is no list of objects. {hint}")


def _lists_in(document: object, prefix: str = "", depth: int = 4) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(document, Mapping) and depth:
        for key, value in document.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                yield f"{prefix}{key}", value
            else:
                yield from _lists_in(value, f"{prefix}{key}.", depth - 1)


def _next_address(document: Any, elements: list[Any], page: Page, source: HttpSource, number: int) -> str:
    if source.next_parameter is not None:
        return page_address(source, number + 1) if elements else ""
    if source.next_link:
        return page.next_link
    if source.next_key is None:
        return ""
    value = value_at(document, source.next_key)
    if value in (None, "", False):
        return ""
    if not isinstance(value, str):
        raise DataRejected(
            f"source {source.name}, page {number + 1}: `next_key: {source.next_key}` holds no address but "
            f"{printable(str(value)[:SHOWN_CHARACTERS])}. For page numbers write `next_parameter: NAME`."
        )
    return urljoin(page.url, value).partition("#")[0]
