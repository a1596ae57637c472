"""Random seeds, derived from one number and the purpose of each."""

import hashlib


def seed_for(seed: int, *purpose: object) -> int:
    """Derive an independent 63-bit seed for a purpose, equal on every machine.

    Python's own `hash` is salted per process, so it is not used.
    """
    name = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
