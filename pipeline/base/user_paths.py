"""Paths as people write them into params.yaml, variables and settings."""

from pathlib import Path

from pipeline.base.errors import UsageError


def user_path(written: str) -> Path:
    """Return a path with `~` or `~NAME` at its beginning replaced; a relative one stays relative.

    Raises UsageError where nobody of this name has a home folder.
    """
    try:
        return Path(written).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{written} begins with the home folder of a user who is unknown here. Write the whole path."
        ) from error
