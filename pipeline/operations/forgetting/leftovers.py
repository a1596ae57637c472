"""Files of a workspace that hold a text in plain bytes and that forgetting does not write: they are named."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

# Shorter texts occur anywhere by chance.
MIN_CHARACTERS = 8
MOST_NEEDLES = 500
MAX_BYTES = 256_000_000
PASSED_OVER = {".git", ".venv", "cache", "__pycache__"}


def files_with(root: Path, texts: Iterable[str]) -> tuple[str, ...]:
    """Return the files that hold one of the texts, as UTF-8 or as JSON writes it; no packed ones."""
    long = sorted({text for text in texts if len(text) >= MIN_CHARACTERS}, key=len, reverse=True)
    needles = {
        form for text in long[:MOST_NEEDLES] for form in (text.encode("utf-8", "replace"), _json(text))
    }
    found = []
    for folder, names, paths in os.walk(root) if needles else ():
        names[:] = sorted(name for name in names if name not in PASSED_OVER)
        for path in (Path(folder) / name for name in sorted(paths)):
            if not path.is_symlink() and path.is_file() and path.stat().st_size <= MAX_BYTES:
                content = path.read_bytes()
                if any(needle in content for needle in needles):
                    found.append(str(path.relative_to(root)))
    return tuple(found)


def _json(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()
