"""Workspaces: what `tonewatch init` makes is a repository of git and DVC with valid params."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.base.errors import UsageError
from pipeline.io.params_file import load_params
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.io.versioning.git import Git, ensure_git_and_dvc
from pipeline.operations import workspace as workspaces
from pipeline.operations.tuning.overlay import flattened

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "data/.gitignore",
    "dvc.yaml",
    "params.yaml",
)
# A stand-in for the stages copies what each reads, so that dvc.yaml itself is tested.
STAND_IN = """#!/bin/sh
echo "$2" >> ran.txt
case $2 in
identity)
  mkdir -p data/identity
  for stage in collect clean validate split pretrain finetune compress evaluate; do
    echo code > data/identity/$stage
  done ;;
collect) mkdir -p data/raw; echo texts > data/raw/x ;;
clean) mkdir -p data/clean; grep -A2 '^clean:' params.yaml > data/clean/x; cat data/raw/x >> data/clean/x ;;
validate) mkdir -p data/validation; cat data/clean/x > data/validation/x ;;
split) mkdir -p data/splits; cat data/clean/x data/validation/x > data/splits/x ;;
pretrain) mkdir -p data/encoder; cat data/splits/x > data/encoder/x ;;
finetune) mkdir -p data/classifier; cat data/splits/x data/encoder/x > data/classifier/x ;;
compress)
  mkdir -p data/candidate; grep -A60 '^compress:' params.yaml > data/candidate/x
  cat data/classifier/x >> data/candidate/x ;;
evaluate) mkdir -p data/evaluation; cat data/candidate/x > data/evaluation/x ;;
esac
"""
STAGES = ["identity", "collect", "clean", "validate", "split", "pretrain", "finetune", "compress", "evaluate"]


@pytest.fixture(autouse=True)
def _own_dvc_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


def test_init_leaves_a_clean_repository_with_one_commit(tmp_path: Path) -> None:
    root = workspaces.init_workspace(tmp_path / "deep" / "reviews", "english")

    ensure_git_and_dvc(root)
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


def test_the_checkout_also_ignores_what_init_ignores(tmp_path: Path) -> None:
    root = workspaces.init_workspace(tmp_path / "reviews", "english")
    ours, theirs = ((folder / ".dvcignore").read_text("utf-8") for folder in (ROOT, root))

    assert ours.startswith(theirs)
    assert "/pipeline" in ours.removeprefix(theirs).splitlines()


def test_init_writes_what_dvc_init_writes_with_its_reporting_off(tmp_path: Path) -> None:
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


def test_the_csv_preset_changes_only_its_sections_and_marks_what_to_edit() -> None:
    text = workspaces.params_of("csv")
    csv, english = yaml.safe_load(text), yaml.safe_load(workspaces.params_of("english"))

    assert {name for name in english if csv[name] != english[name]} == {
        "collect",
        "validate",
        "evaluate",
        "gate",
    }
    assert list(csv) == list(english)
    assert (
        csv["evaluate"]["vader_thresholds"],
        csv["gate"]["min_macro_f1"],
        csv["validate"]["min_texts"],
    ) == (
        None,
        0.0,
        40,
    )
    assert text.count("EDIT") >= 6


def test_an_unknown_preset_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="known: english, csv"):
        workspaces.init_workspace(tmp_path / "reviews", "latin")

    assert not (tmp_path / "reviews").exists()


def test_a_folder_with_a_table_becomes_a_workspace_around_it(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("text,label\n")
    (tmp_path / ".gitignore").write_text("/secret\n")

    workspaces.init_workspace(tmp_path, "csv")

    assert (tmp_path / "texts.csv").read_text() == "text,label\n"
    assert (tmp_path / ".gitignore").read_text().splitlines()[0] == "/secret"
    assert "/.tonewatch/" in (tmp_path / ".gitignore").read_text()
    assert git(tmp_path, "status", "--porcelain").split("\n")[0].endswith("texts.csv")


def test_init_adds_files_to_an_existing_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "mine.txt").write_text("mine\n")
    git(tmp_path, "add", "mine.txt")

    workspaces.init_workspace(tmp_path, "english")

    assert Git(tmp_path).commit_of("HEAD") is None
    assert git(tmp_path, "diff", "--cached", "--name-only") == "mine.txt\n"
    ensure_git_and_dvc(tmp_path)


def test_an_existing_workspace_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("mine: 1\n")

    with pytest.raises(UsageError, match=r"params\.yaml exists"):
        workspaces.init_workspace(tmp_path, "english")

    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_killed_init_can_be_repeated(tmp_path: Path) -> None:
    whole = workspaces.init_workspace(tmp_path / "whole", "english")
    (tmp_path / "half").mkdir()
    git(tmp_path / "half", "init", "--quiet")
    shutil.copytree(whole / ".dvc", tmp_path / "half/.dvc")
    shutil.copy(whole / "dvc.yaml", tmp_path / "half")

    workspaces.init_workspace(tmp_path / "half", "english")

    assert git(tmp_path / "half", "ls-files").split() == sorted(FILES)
    assert git(tmp_path / "half", "status", "--porcelain") == ""


@pytest.mark.slow
def test_dvc_repro_runs_only_identity_and_what_a_change_reaches(
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

    assert ran() == STAGES
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


def test_the_preset_of_a_larger_start_changes_only_its_weights_and_limits() -> None:
    english = dict(flattened(yaml.safe_load(workspaces.params_of("english"))))
    mpnet = dict(flattened(yaml.safe_load(workspaces.params_of("mpnet"))))

    changed = {key for key in english.keys() | mpnet.keys() if english.get(key) != mpnet.get(key)}
    assert {key for key in changed if not key.startswith("encoder.package.")} == {
        "finetune.learning_rate",
        "compress.budget.max_megabytes",
        "gate.max_megabytes",
        "gate.max_p95_ms",
    }
    assert [part["project"][-3:] for part in mpnet["encoder.package.parts"]] == [
        "001",
        "002",
        "003",
        "004",
        "005",
    ]
