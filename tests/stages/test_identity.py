"""The identity of `collect` covers the bytes it reads; that of other stages their code alone."""

from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.io.params_file import load_params
from pipeline.io.sources.source_reader import open_sources
from pipeline.operations.workspace import init_workspace
from pipeline.stages.identity import identity

STAGES = {name: (f"pipeline.stages.{name}", name) for name in ("collect", "clean")}


def identities(root: Path) -> dict[str, str]:
    cfg = load_params(root / "params.yaml").collect
    identity(open_sources(Workspace(root, "", ""), cfg), root / "data/identity", STAGES)
    return {name: (root / "data/identity" / name).read_text() for name in STAGES}


def test_the_identity_of_collect_follows_the_bytes_of_a_local_source(tmp_path: Path) -> None:
    root = init_workspace(tmp_path, "csv")
    contents = ("text,label\na,b\n", "text,label\na,c\n", "text,label\na,b\n")
    found = []
    for content in contents:
        (root / "texts.csv").write_text(content)
        found.append(identities(root))

    assert found[0]["collect"] != found[1]["collect"]
    assert found[0]["clean"] == found[1]["clean"]
    assert found[0] == found[2]


def test_a_source_that_is_not_there_has_an_identity_too(tmp_path: Path) -> None:
    root = init_workspace(tmp_path, "csv")
    missing = identities(root)["collect"]
    (root / "texts.csv").write_text("text,label\na,b\n")

    assert identities(root)["collect"] != missing
