"""Names of people in the place of ids, groups and topics."""

import hashlib

from pipeline.core.privacy.masking import mask_pii

DIGITS = 16


def person_digest(name: str) -> str:
    """Return a digest in place of a name that is an address or a handle, any other name as it is."""
    if "@" not in name or not mask_pii(name)[1]:
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
