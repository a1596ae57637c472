"""Take named fields from a record that may be older than today's and hold less."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

Document = TypeVar("Document")


def pick(kind: type[Document], record: Mapping[str, object], /, **values: object) -> Document:
    """Return a document with the keys of the TypedDict `kind` and no others.

    A key is taken from `values`, else from the record, and is None where both lack it.
    """
    names = kind.__annotations__
    assert values.keys() <= names.keys()
    return cast(Document, {name: values.get(name, record.get(name)) for name in names})


def get_path(record: object, *path: str) -> Any:
    """Return the value under a path of keys; None where the path ends early."""
    for name in path:
        if not isinstance(record, Mapping):
            return None
        record = record.get(name)
    return record
