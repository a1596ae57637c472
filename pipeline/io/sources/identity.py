"""What a source is, in one digest: it changes exactly when the bytes that would be read change."""

from pathlib import Path

from pipeline.base.config import PackageSource, TableSource
from pipeline.io import files
from pipeline.io.sources.readers import resolve_path


def source_identity(source: TableSource, root: Path) -> str:
    """Give the SHA-256 of the bytes a source reads: the pinned one of a package, that of a local file now."""
    if isinstance(source, PackageSource):
        return source.sha256
    return files.sha256(resolve_path(source, root))
