"""Workspaces: what `tonewatch init` makes is what git, DVC and our own reading take."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.base.config import Workspace
from pipeline.base.errors import NotAWorkspace, NothingToRollBack, UsageError
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.params_file import load_params, set_param
from pipeline.io.versioning import data_versions
from pipeline.io.versioning import workspace_setup as workspaces
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.io.versioning.git import Git
from pipeline.stages import identity

ROOT = Path(__file__).resolve().parents[3]
FILES = (
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "data/.gitignore",
    "dvc.yaml",
    "params.yaml",
)
# One line a stage stands for the stage: it copies what it reads, so that dvc.yaml itself is what is tested.
STAND_IN = """#!/bin/sh
echo "$2" >> ran.txt
case $2 in
identity)
  mkdir -p data/identity
  for stage in collect clean validate split pretrain finetune compress evaluate; do echo code > data/identity/$stage; done ;;
collect) mkdir -p data/raw; echo texts > data/raw/x ;;
clean) mkdir -p data/clean; grep -A2 '^clean:' params.yaml > data/clean/x; cat data/raw/x >> data/clean/x ;;
validate) mkdir -p data/validation; cat data/clean/x > data/validation/x ;;
split) mkdir -p data/splits; cat data/clean/x data/validation/x > data/splits/x ;;
pretrain) mkdir -p data/encoder; cat data/splits/x > data/encoder/x ;;
finetune) mkdir -p data/classifier; cat data/splits/x data/encoder/x > data/classifier/x ;;
compress) mkdir -p data/candidate; grep -A60 '^compress:' params.yaml > data/candidate/x; cat data/classifier/x >> data/candidate/x ;;
evaluate) mkdir -p data/evaluation; cat data/candidate/x > data/evaluation/x ;;
esac
"""
LINE = ["identity", "collect", "clean", "validate", "split", "pretrain", "finetune", "compress", "evaluate"]


@pytest.fixture(autouse=True)
def _own_dvc_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


def test_init_makes_a_clean_repository_with_one_commit(tmp_path: Path) -> None:
    root = workspaces.init_workspace(tmp_path / "deep" / "reviews", "english")

    workspaces.ensure_ready(root)
    assert git(root, "ls-files").split() == sorted(FILES)
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "--format=%an %s").splitlines() == ["tonewatch Make a Tonewatch workspace"]


def test_the_default_preset_is_the_checkouts_own_params(tmp_path: Path) -> None:
    root = workspaces.init_workspace(tmp_path / "reviews", "english")

    assert (root / "params.yaml").read_text("utf-8") == (ROOT / "params.yaml").read_text("utf-8")
    assert (root / "dvc.yaml").read_text("utf-8") == (ROOT / "dvc.yaml").read_text("utf-8")


@pytest.mark.parametrize("name", [".dvc/.gitignore", ".dvc/config", "data/.gitignore"])
def test_the_checkout_holds_what_init_writes(tmp_path: Path, name: str) -> None:
    root = workspaces.init_workspace(tmp_path / "reviews", "english")

    assert (root / name).read_text("utf-8") == (ROOT / name).read_text("utf-8")


def test_the_checkout_ignores_what_init_ignores_and_the_presets_pipeline_too(tmp_path: Path) -> None:
    root = workspaces.init_workspace(tmp_path / "reviews", "english")
    ours, theirs = ((folder / ".dvcignore").read_text("utf-8") for folder in (ROOT, root))

    assert ours.startswith(theirs)
    assert "/pipeline" in ours.removeprefix(theirs).splitlines()


def test_what_init_writes_is_what_dvc_init_writes_but_for_its_reporting(tmp_path: Path) -> None:
    from dvc.repo import Repo

    git(tmp_path, "init", "--quiet")
    Repo.init(str(tmp_path)).close()

    assert {name: (tmp_path / name).read_text("utf-8") for name in workspaces.DVC} == {
        **workspaces.DVC,
        ".dvc/config": "",
    }


@pytest.mark.parametrize("preset", workspaces.presets())
def test_every_preset_is_valid(tmp_path: Path, preset: str) -> None:
    root = workspaces.init_workspace(tmp_path / preset, preset)

    assert load_params(root / "params.yaml").data.version == "newest"
    assert DvcCache(root).unchanged("collect") is False


def test_the_csv_preset_changes_only_its_sections_and_says_what_to_edit() -> None:
    text = workspaces.params_of("csv")
    csv, english = yaml.safe_load(text), yaml.safe_load(workspaces.params_of("english"))

    assert {name for name in english if csv[name] != english[name]} == {
        "collect",
        "validate",
        "evaluate",
        "gate",
    }
    assert list(csv) == list(english)
    assert (csv["evaluate"]["vader_cuts"], csv["gate"]["min_macro_f1"], csv["validate"]["min_texts"]) == (
        None,
        0.0,
        40,
    )
    assert text.count("EDIT") >= 6


def test_an_unknown_preset_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="known: english, csv"):
        workspaces.init_workspace(tmp_path / "reviews", "latin")

    assert not (tmp_path / "reviews").exists()


def test_a_folder_with_a_table_of_the_users_becomes_a_workspace_around_it(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("text,label\n")
    (tmp_path / ".gitignore").write_text("/secret\n")

    workspaces.init_workspace(tmp_path, "csv")

    assert (tmp_path / "texts.csv").read_text() == "text,label\n"
    assert (tmp_path / ".gitignore").read_text().splitlines()[0] == "/secret"
    assert "/.tonewatch/" in (tmp_path / ".gitignore").read_text()
    assert git(tmp_path, "status", "--porcelain").split("\n")[0].endswith("texts.csv")


def test_a_repository_of_the_users_gets_files_and_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "mine.txt").write_text("mine\n")
    git(tmp_path, "add", "mine.txt")

    workspaces.init_workspace(tmp_path, "english")

    assert Git(tmp_path).commit_of("HEAD") is None
    assert git(tmp_path, "diff", "--cached", "--name-only") == "mine.txt\n"
    workspaces.ensure_ready(tmp_path)


def test_a_workspace_is_not_made_twice(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("mine: 1\n")

    with pytest.raises(UsageError, match=r"params\.yaml exists"):
        workspaces.init_workspace(tmp_path, "english")

    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_killed_init_can_be_typed_again(tmp_path: Path) -> None:
    whole = workspaces.init_workspace(tmp_path / "whole", "english")
    (tmp_path / "half").mkdir()
    git(tmp_path / "half", "init", "--quiet")
    shutil.copytree(whole / ".dvc", tmp_path / "half/.dvc")
    shutil.copy(whole / "dvc.yaml", tmp_path / "half")

    workspaces.init_workspace(tmp_path / "half", "english")

    assert git(tmp_path / "half", "ls-files").split() == sorted(FILES)
    assert git(tmp_path / "half", "status", "--porcelain") == ""


def test_a_folder_outside_git_is_told_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(NotAWorkspace, match=f"git init {tmp_path}"):
        workspaces.ensure_ready(tmp_path)


def test_a_folder_inside_another_repository_is_told_so(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "inner").mkdir()

    with pytest.raises(NotAWorkspace, match="whose root it is not"):
        workspaces.ensure_ready(tmp_path / "inner")


def test_a_repository_without_dvc_is_told_what_to_type(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")

    with pytest.raises(NotAWorkspace, match="Type `dvc init`"):
        workspaces.ensure_ready(tmp_path)


def test_dvc_repro_runs_identity_first_then_all_then_nothing_then_what_follows_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = workspaces.init_workspace(tmp_path / "workspace", "english")
    stand_in = tmp_path / "bin" / "tonewatch"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:/usr/bin:/bin")

    def ran() -> list[str]:
        (root / "ran.txt").write_text("")
        subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=root, check=True)
        return (root / "ran.txt").read_text().split()

    assert ran() == LINE
    assert ran() == ["identity"]
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("uncertain_share: 0.05", "uncertain_share: 0.06"))
    assert ran() == ["identity", "compress", "evaluate"]
    assert git(root, "status", "--porcelain").split() == [
        "M",
        "params.yaml",
        "??",
        "dvc.lock",
        "??",
        "ran.txt",
    ]


def test_a_split_becomes_a_version_that_counts_what_it_holds_and_rollback_walks_back(workspace: Path) -> None:
    sides = {"train": 3, "valid": 1, "test": 1}
    counts = {
        **sides,
        "train/label/negative": 1,
        "train/label/positive": 2,
        "valid/label/positive": 1,
        "test/label/negative": 1,
    }
    counts |= {
        f"{side}/{what}": number for side, number in sides.items() for what in ("lang/en", "source/movie")
    }

    def split_again(fingerprint: str) -> data_versions.DataVersion:
        with files.staging_dir(workspace / "data/splits") as staging:
            files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": fingerprint}))
        DvcCache(workspace).commit("split")
        return data_versions.keep_data_version(workspace, "a test")

    with pytest.raises(NothingToRollBack, match="no data version yet"):
        data_versions.rollback_data(workspace, None, "a test")
    first, _, third = (split_again(fingerprint) for fingerprint in ("one", "two", "three"))

    assert (first.rows, first.sides, first.labels, first.languages, first.sources) == (
        5,
        sides,
        {"negative": 2, "positive": 3},
        {"en": 5},
        {"movie": 5},
    )
    assert [version.name for version in data_versions.list_versions(workspace)] == ["v3", "v2", "v1"]
    assert data_versions.show_version(workspace, None) == third
    assert [data_versions.rollback_data(workspace, None, "a test").name for _ in range(2)] == ["v2", "v1"]
    with pytest.raises(NothingToRollBack, match="v1 is the first data version"):
        data_versions.rollback_data(workspace, None, "a test")
    assert data_versions.keep_data_version(workspace, "again") == first
    assert data_versions.checkout_version(workspace, "v3") == third
    assert files.read_receipt(workspace / "data/splits").notes["fingerprint"] == "three"

    # Killed between pin and folders, the same words finish what they began and do not go one further.
    set_param(workspace / "params.yaml", "data.version=v2")
    assert data_versions.rollback_data(workspace, None, "again").name == "v2"
    assert files.read_receipt(workspace / "data/splits").notes["fingerprint"] == "two"


def test_the_identity_of_collect_follows_the_bytes_of_a_local_source(tmp_path: Path) -> None:
    root = workspaces.init_workspace(tmp_path, "csv")
    cfg = load_params(root / "params.yaml").collect
    stages = {name: (f"pipeline.stages.{name}", name) for name in ("collect", "clean")}

    def identities(content: str) -> tuple[str, str]:
        (root / "texts.csv").write_text(content)
        identity.identity(Workspace(root, "", ""), root / "data/identity", cfg, stages)
        return (root / "data/identity/collect").read_text(), (root / "data/identity/clean").read_text()

    one, two, again = (
        identities(content) for content in ("text,label\na,b\n", "text,label\na,c\n", "text,label\na,b\n")
    )

    assert one[0] != two[0]
    assert one[1] == two[1]
    assert one == again


def test_the_code_commit_is_that_of_the_checkout() -> None:
    assert data_versions.code_commit().rstrip("+") == (
        Git(ROOT).commit_of("HEAD") or data_versions.code_commit()
    )
