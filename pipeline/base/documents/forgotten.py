"""What was forgotten: tombstones without content, and the data versions and releases that held it."""

from typing import TypedDict


class ForgottenDocument(TypedDict):
    """What a workspace forgot, stored beside the ledger.

    `texts` and `ids` are keyed digests (HMAC-SHA-256 under the key of the workspace). `versions` names the
    data versions that cannot be restored whole any more, `releases` those that were trained on them; each
    with the time in UTC. `pending` names where it is not erased yet, since when: a DVC remote, or `` for the
    workspace itself, where a call was killed.
    """

    texts: list[str]
    ids: list[str]
    versions: dict[str, str]
    releases: dict[str, str]
    pending: dict[str, str]


class HeldPlace(TypedDict):
    """A place that holds something to be forgotten, and in how many rows."""

    place: str
    rows: int
