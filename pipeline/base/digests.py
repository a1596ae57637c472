"""SHA-256 digests of texts and of documents."""

import hashlib
import hmac
import json
from collections.abc import Callable

# A labelled text is named by so many digits of its digest.
KEY_DIGITS = 16


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text; half of a surrogate pair counts as a question mark."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def keyed_digest(text: str, key: bytes) -> str:
    """Return the HMAC-SHA-256 of a text: without the key nobody can try texts against it."""
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def json_digest(document: object, *, default: Callable[[object], object] | None = None) -> str:
    """Return the SHA-256 of a document as JSON with sorted keys, so that equal content is an equal digest."""
    return text_digest(json.dumps(document, sort_keys=True, default=default))
