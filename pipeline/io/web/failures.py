"""What the web does to us, as errors that name the source, the cause and the next step."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from pipeline.base.config.web_sources import WebSection
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.io.web.guarded_http import NotFound, TooLarge
from pipeline.io.web.index_rules import FetchFailed, printable

INSIDE = ("loopback address", "private address", "link-local address")


def place_of(source: WebSection) -> str:
    """Return the name of a source and its host for messages: a path or a query may hold anything."""
    return f"source {source.name} ({printable(urlsplit(source.url).hostname or '')})"


@contextlib.contextmanager
def named_failures(source: WebSection, *, limit: str) -> Iterator[None]:
    """Turn a reason why something cannot be fetched into an error; `limit` is the key that caps the bytes."""
    where = place_of(source)
    try:
        yield
    except TooLarge as error:
        raise DataRejected(f"{where} {error}. Raise `{limit}` in params.yaml to read it.") from error
    except NotFound as error:
        raise SourceUnreachable(
            f"{where} {error}. Correct `url` of this source in params.yaml, or remove the source: what data "
            "versions hold of it stays (`kind: replay`)."
        ) from error
    except FetchFailed as error:
        inside = any(words in str(error) for words in INSIDE) and not source.allow_private
        step = (
            "Write `allow_private: true` for this source in params.yaml if that host is yours."
            if inside
            else "Correct `url` of this source in params.yaml, or type the same again later."
        )
        raise SourceUnreachable(f"{where} {error}. {step}") from error
