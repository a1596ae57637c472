"""A workspace written by the commit before this layout (97f103f) still works: all that it stored is read.

`tests/fixtures/legacy` holds the workspace, what the old code printed about it (EXPECTED.json), and the
script that made it (make_legacy.py.txt, which needs the old code).
"""

import json
import sqlite3
import tarfile
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.base.documents import (
    Comparison,
    CompressionMenu,
    EvaluationReport,
    GateCheckRecord,
    MenuVariant,
    ReleaseRecord,
    TopicReport,
    WindowReport,
)
from pipeline.io.alerts import list_outbox
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.ledger import Ledger
from pipeline.monitoring.windows.files import read_windows

LEGACY = Path(__file__).parents[1] / "fixtures" / "legacy"
EXPECTED: dict[str, Any] = json.loads((LEGACY / "EXPECTED.json").read_text("utf-8"))
TEXTS = [
    "a lovely film",
    "what a dreadful meal that was",
    "an ordinary song",
    "ada@example.org says her <b>soup</b> was superb",
    "nothing known",
]
LATER = "2026-11-23T12:00:00Z"
# MLflow stores absolute paths of its artifacts, in these columns and nowhere else.
LOCATIONS = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}


def unpack(root: Path) -> Path:
    """Unpack the legacy workspace and point MLflow's paths to it."""
    with tarfile.open(LEGACY / "legacy.tar.xz") as archive:
        archive.extractall(root, filter="data")
    with sqlite3.connect(root / ".tonewatch" / "mlflow.db") as database:
        for table, column in LOCATIONS.items():
            database.execute(f"UPDATE {table} SET {column} = replace({column}, '/legacy/', '{root}/')")
    database.close()
    return root


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a legacy workspace for tests that only read it."""
    return unpack(tmp_path_factory.mktemp("legacy") / "workspace")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a legacy workspace of one test."""
    return unpack(tmp_path / "workspace")


@pytest.fixture
def tonewatch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs a command in a workspace and returns its JSON output."""

    def run(root: Path, *arguments: str, code: int = 0) -> Any:
        monkeypatch.chdir(root)
        capsys.readouterr()
        exit_code = run_command([*arguments, "--json"])
        output = capsys.readouterr()
        assert exit_code == code, output.err
        return json.loads(output.out)

    return run


def assert_keys(document: object, shape: type) -> None:
    assert isinstance(document, dict)
    assert shape.__required_keys__ <= set(document), shape


def test_releases_are_listed_shown_and_verified(unchanged: Path, tonewatch: Any) -> None:
    moves = tonewatch(unchanged, "release", "list")
    assert moves == EXPECTED["release_list"]

    for name, stored in EXPECTED["releases"].items():
        shown = tonewatch(unchanged, "release", "show", name)
        assert_keys(shown, ReleaseRecord)
        assert shown["decision"]["accepted"] is stored["accepted"]
        assert [check["name"] for check in shown["decision"]["checks"] if not check["passed"]] == stored[
            "failed"
        ]
        assert shown["metrics"]["macro_f1"] == stored["macro_f1"]
        assert (shown["model_version"], shown["data_version"]) == (
            stored["model_version"],
            stored["data_version"],
        )

    verified = tonewatch(unchanged, "release", "verify")
    assert (verified["releases"], verified["moves"]) == (sorted(EXPECTED["releases"]), len(moves))
    assert verified["head"] == EXPECTED["head"]


def test_signatures_of_releases_are_verified(
    unchanged: Path, tonewatch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONEWATCH_VERIFY_KEY", str(unchanged / "verify.pem"))
    assert tonewatch(unchanged, "release", "verify")["head"] == EXPECTED["head"]


def test_api_keys_are_listed(unchanged: Path, tonewatch: Any) -> None:
    keys = tonewatch(unchanged, "keys", "list")
    assert {key["name"]: bool(key["revoked"]) for key in keys} == {"shop": False, "boss": False, "gone": True}


def test_every_stored_release_record_is_read_in_todays_shape(unchanged: Path) -> None:
    for release in Ledger(Workspace.of(unchanged, {}).ledger).releases():
        record = release.record
        assert_keys(record, ReleaseRecord)
        assert_keys(record["evaluation"], EvaluationReport)
        assert_keys(record["menu"], CompressionMenu)
        assert_keys(record["variant"], MenuVariant)
        if record["comparison"]:
            assert_keys(record["comparison"], Comparison)
        for check in record["decision"]["checks"]:
            assert_keys(check, GateCheckRecord)


def test_every_stored_window_report_is_read_in_todays_shape(unchanged: Path) -> None:
    windows = list(read_windows(Workspace.of(unchanged, {})))
    assert [window["window"]["start"] for window in windows] == [
        f"{name[:13]}:00:00Z" for name in EXPECTED["windows"]
    ]
    for window in windows:
        assert_keys(window, WindowReport)
        for topic in window["topics"].values():
            assert set(get_type_hints(TopicReport)) >= set(topic)
            assert "prevalence" in topic


def test_the_champion_predicts_what_it_predicted(unchanged: Path, tonewatch: Any) -> None:
    predictions = tonewatch(unchanged, "predict", *TEXTS)

    for prediction, expected in zip(predictions, EXPECTED["predict"], strict=True):
        assert prediction["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
        # Earlier versions had the best label only, and called nothing uncertain.
        names = ("best", "release", "data_version")
        assert [prediction[name] for name in names] == [
            expected[name] for name in ("label", "release", "data_version")
        ]


def test_every_registered_model_version_loads_and_predicts(unchanged: Path) -> None:
    import mlflow
    import pandas as pd

    with mlflow_tracking.mlflow_at(Workspace.of(unchanged, {}).mlflow) as client:
        assert dict(client.get_registered_model("tonewatch").aliases) == EXPECTED["mlflow"]["aliases"]
        for version, expected in EXPECTED["mlflow"]["answers"].items():
            model = mlflow.pyfunc.load_model(f"models:/tonewatch/{version}")
            frame = model.predict(pd.DataFrame({"text": TEXTS}))
            assert list(frame["label"]) == expected["label"]
            for label in expected.keys() - {"label"}:
                assert list(frame[label]) == pytest.approx(expected[label], abs=1e-6)


def test_journal_feedback_and_alerts_are_read(unchanged: Path) -> None:
    workspace, expected = Workspace.of(unchanged, {}), EXPECTED["journal"]
    journal = Journal.reading(workspace.journal)

    assert len(list(journal.predictions("", "9999"))) == expected["answers"]
    assert len(list(journal.labels())) == expected["feedback"]
    assert [entry.alert.title for entry in list_outbox(workspace.alerts)] == expected["alerts"]


def test_data_versions_are_listed_and_shown(unchanged: Path, tonewatch: Any) -> None:
    assert tonewatch(unchanged, "data", "list") == EXPECTED["data_list"]
    shown = tonewatch(unchanged, "data", "show", "v1")
    assert shown.items() >= EXPECTED["data_list"][-1].items()
    assert shown["releases"]


def test_the_report_of_a_release_is_written(unchanged: Path, tonewatch: Any, tmp_path: Path) -> None:
    for name, stored in EXPECTED["releases"].items():
        written = tonewatch(unchanged, "report", name, "--out", str(tmp_path / f"{name}.html"))
        card = json.loads(Path(written["json"]).read_text("utf-8"))
        assert card["release"] == name
        assert card["metrics"]["macro_f1"] == stored["macro_f1"]
        assert f"# {name}" in Path(written["markdown"]).read_text("utf-8")


def test_the_watch_continues_and_names_the_new_keys(root: Path, tonewatch: Any) -> None:
    result = tonewatch(root, "watch", "--now", LATER)

    assert result["windows"] == ["2026-11-23T09-00-00Z"]
    (window,) = [
        w for w in read_windows(Workspace.of(root, {})) if w["window"]["start"] == "2026-11-23T09:00:00Z"
    ]
    assert window["predictions"] == 100


def test_a_rollback_writes_params_in_todays_keys(root: Path, tonewatch: Any) -> None:
    champion = EXPECTED["release_list"][0]["to"]
    for _ in range(2):
        move = tonewatch(root, "release", "rollback", "--actor", "eve", "--reason", "a check")
        assert move["pending"] == []
        load_params(root / "params.yaml")
        assert "baking_hours" not in yaml.safe_load((root / "params.yaml").read_text())["watch"]["quality"]
        tonewatch(root, "release", "verify")
    assert move["to"] == champion
