"""Chance, derived from one number and the name of who asks for it."""

import hashlib


def seed_for(seed: int, *purpose: object) -> int:
    """Derive an independent 63-bit seed for a purpose, equal on every machine.

    Python's own `hash` is salted per process, so it cannot serve here.
    """
    name = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
