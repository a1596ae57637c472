"""A workspace with a secret in its source, and what of it is found in files."""

import os
from collections.abc import Callable
from pathlib import Path

from cleaning import ALL_MAY_BE_LOST
from journal_fixtures import label_text

from pipeline.base.config import CleanConfig, CollectConfig, Workspace
from pipeline.base.records import SPLITS, Receipt
from pipeline.core.privacy.tombstone_form import tombstone_form
from pipeline.io import files, parquet
from pipeline.io.forgetting.tombstones import open_tombstones
from pipeline.io.journal.journal import Journal
from pipeline.io.sources.source_reader import open_sources
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.operations.forgetting import Selection
from pipeline.stages import clean as clean_stage
from pipeline.stages import collect as collect_stage

SECRET = "the quartz canary of Mrs Zwick sang in room 41"
LABELS = ("bad", "good")
CLEAN = CleanConfig(min_words=2, max_words=30, mask=True, max_loss=ALL_MAY_BE_LOST)


def source_of(root: Path) -> Path:
    """Write the source beside the workspace: forgetting does not write a person's own files."""
    rows = [f"r{n},the bread of house {n} was warm,{LABELS[n % 2]},g{n}" for n in range(12)]
    rows += [f"r90,{SECRET},good,zwick", f"r91,{SECRET.upper()},good,other", "r92,short,good,zwick"]
    path = root.parent / f"{root.name}-source.csv"
    path.write_text("\n".join(["key,words,tone,who", *rows]) + "\n", "utf-8")
    return path


def collected(places: Workspace) -> Receipt:
    columns = dict.fromkeys(("rating", "time", "split"))
    columns |= {"text": "words", "label": "tone", "id": "key", "group": "who"}  # type: ignore[dict-item]
    source = {"kind": "csv", "name": "mine", "path": str(source_of(places.root)), "columns": columns}
    source |= {"group_pattern": None, "ratings": None, "label_map": {}, "lang": "en", "licence": "own"}  # type: ignore[dict-item]
    cfg = CollectConfig.model_validate({"max_megabytes": 1, "labels": LABELS, "sources": [source]})
    return collect_stage.collect(
        open_sources(places, cfg),
        places.root / "data" / "raw",
        mask=True,
        tombstones=open_tombstones(places, tombstone_form),
    )


def cleaned(places: Workspace) -> Receipt:
    data = places.root / "data"
    return clean_stage.clean(data / "raw", data / "clean", CLEAN, LABELS)


def split_all(places: Workspace) -> None:
    """Put every clean text into train, and keep that as a data version."""
    root = places.root
    records = parquet.read_texts(root / "data" / "clean" / "texts.parquet")
    with files.staging_dir(root / "data" / "splits") as staging:
        for split in SPLITS:
            parquet.write_texts(staging / f"{split}.parquet", records if split == "train" else [])
        counts = dict.fromkeys(SPLITS, 0) | {"train": len(records)}
        fingerprint = parquet.split_fingerprint(("train", one) for one in records)
        files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": fingerprint}))
    for stage in ("collect", "clean", "split"):
        DvcCache(root).commit(stage)
    data_versions.keep_data_version(root, "a test")


def built(root: Path) -> Workspace:
    places = Workspace.of(root, {})
    collected(places)
    cleaned(places)
    split_all(places)
    journal = Journal(places.journal, retention_days=90)
    label_text(journal, SECRET, "good")
    label_text(journal, "something else entirely", "good")
    journal.close()
    return places


def contents(path: Path) -> bytes:
    """Return every byte of a file, of a table unpacked."""
    content = path.read_bytes()
    if content[:4] == b"PAR1":
        content += repr(parquet.read_rows(path)).encode()
    return content


def files_holding(root: Path, *needles: str) -> list[str]:
    """Return the files of a workspace, with DVC's cache and git, that hold one of these in any case."""
    wanted = [needle.casefold().encode() for needle in needles]
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if path.is_file() and any(one in contents(path).lower() for one in wanted)
    ]


def by_id(*ids: str) -> Selection:
    return Selection.of(ids, (), ())


def in_child(work: Callable[[], object]) -> int:
    """Do work in a fork; return its exit code, a negative signal."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
