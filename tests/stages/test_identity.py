"""The identity of `collect` covers the bytes it reads; that of other stages their code alone."""

from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.io.params_file import load_params, load_profile, set_params
from pipeline.io.sources.source_reader import open_sources
from pipeline.operations.workspace import init_workspace
from pipeline.stages.context import StageContext
from pipeline.stages.identity import identity, run

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


def test_the_identity_of_pretrain_follows_the_files_that_it_starts_from(tmp_path: Path) -> None:
    root = init_workspace(tmp_path, "csv")
    set_params(root / "params.yaml", ["encoder.start=folder", "encoder.folder=mine"])
    context = StageContext(Workspace.of(root, {}), load_profile("laptop"))
    found = []
    for content in (None, "{}", '{"a": 1}'):
        if content is not None:
            (root / "mine").mkdir(exist_ok=True)
            (root / "mine" / "config.json").write_text(content)
        run(context)
        found.append([(root / "data/identity" / name).read_text() for name in ("pretrain", "finetune")])

    assert len({pretrain for pretrain, _ in found}) == 3
    assert len({finetune for _, finetune in found}) == 1
