import importlib
import os
import pickle
import socket
import struct
import sys
import time
from pathlib import Path

import pytest

from pipeline.base.config import Workspace
from pipeline.io.training import wandb_curves
from pipeline.io.training.curves import open_curves
from pipeline.io.training.wandb_curves import WandbCurves, is_requested, open_wandb

KEY = "0123456789abcdef0123456789abcdef01234567"
OFFLINE = {"WANDB_MODE": "offline", "WANDB_API_KEY": KEY, "WANDB_NOTES": "a note", "HOME": "/elsewhere"}
DIGEST = "a" * 64


@pytest.fixture
def wandb():
    """Return the package, in a process that has not used it."""
    wandb = pytest.importorskip("wandb")
    wandb.teardown()
    yield wandb
    wandb.teardown()


@pytest.fixture
def _none_installed(monkeypatch, tmp_path):
    """Leave what W&B itself makes where it runs: a folder of its name, which is no package."""
    (tmp_path / "wandb").mkdir()
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
        monkeypatch.delitem(sys.modules, name)
    others = [path for path in sys.path if not (Path(path) / "wandb").is_dir()]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *others])
    importlib.invalidate_caches()
    yield
    # Python imports such a folder too, and would keep it for other tests.
    sys.modules.pop("wandb", None)


def records(home):
    """Return the records of every run below a folder: blocks of 32 KiB, as in LevelDB's log."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # W&B's process writes the end of a file some milliseconds after the run
    found = []
    for path in sorted(home.rglob("*.wandb")):
        content, at, parts = path.read_bytes(), 7, b""
        assert content[:4] == b":W&B"
        while at + 7 <= len(content):
            size, kind = struct.unpack("<HB", content[at + 4 : at + 7])
            parts += content[at + 7 : at + 7 + size]
            at += 7 + size
            if kind in (1, 4):
                found.append(Record.FromString(parts))
                parts = b""
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
    return found


def rows(home):
    """Return the values of each row of the history, without W&B's own."""
    return [
        {item.nested_key[0] if item.nested_key else item.key: float(item.value_json) for item in items}
        for items in (
            [item for item in record.history.item if not (item.key or item.nested_key[0]).startswith("_")]
            for record in records(home)
            if record.HasField("history")
        )
    ]


@pytest.mark.parametrize(
    ("environment", "answer"),
    [
        ({}, False),
        ({"WANDB_API_KEY": ""}, False),
        ({"WANDB_PROJECT": "mood"}, False),
        ({"WANDB_API_KEY": KEY}, True),
        ({"WANDB_MODE": "online"}, True),
        ({"WANDB_MODE": "offline"}, True),
        ({"WANDB_MODE": "shared"}, True),
        ({"WANDB_MODE": "dryrun"}, True),
        ({"WANDB_MODE": "disabled"}, False),
        ({"WANDB_MODE": "disabled", "WANDB_API_KEY": KEY}, False),
        ({"WANDB_MODE": "ofline", "WANDB_API_KEY": KEY}, True),
    ],
)
def test_variables_ask_for_wandb(environment, answer):
    assert is_requested(environment) is answer


@pytest.mark.usefixtures("_none_installed")
def test_asked_and_not_installed_is_one_warning_and_training_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", KEY)

    curves = open_curves(Workspace.of(tmp_path, {}), "finetune", DIGEST)
    curves.log("finetune", 10, {"loss": 2.0})
    curves.close()

    output = "".join(capsys.readouterr())
    assert output.count("pip install wandb") == 1
    assert KEY not in output


@pytest.mark.usefixtures("_none_installed")
def test_a_worker_without_wandb_goes_on_with_one_warning(tmp_path, capsys):
    curves = WandbCurves(tmp_path, "finetune", DIGEST, OFFLINE)
    for step in (10, 20):
        curves.log("finetune", step, {"loss": 2.0})
    curves.close()

    assert "".join(capsys.readouterr()).count("wandb.failed") == 1


def test_nobody_asked_so_nothing_is_said(tmp_path, capsys):
    assert open_wandb(tmp_path, "finetune", DIGEST, {"HOME": "/elsewhere"}) is None
    assert "".join(capsys.readouterr()) == ""


def test_the_object_carries_the_key_and_shows_it_nowhere(tmp_path):
    curves = WandbCurves(tmp_path, "finetune", DIGEST, OFFLINE)

    dump = pickle.dumps(curves)

    assert KEY not in repr(curves) + str(vars(curves)) + repr(dump)
    carried = wandb_curves.variables_of(pickle.loads(dump))
    assert carried["WANDB_API_KEY"] == KEY
    assert carried["WANDB_MODE"] == "offline"
    assert not {"WANDB_NOTES", "HOME"} & set(carried)


def test_the_driver_copy_writes_nothing(tmp_path):
    WandbCurves(tmp_path, "finetune", DIGEST, OFFLINE).close()

    assert list(tmp_path.iterdir()) == []


def test_every_point_is_in_the_file_and_a_restart_continues_the_run(tmp_path, wandb, capfd):
    before = dict(os.environ)
    for start in (10, 20):
        curves = pickle.loads(pickle.dumps(WandbCurves(tmp_path, "finetune", DIGEST, OFFLINE)))
        # From a checkpoint: step 20 is trained again.
        for step in (start, start + 10):
            curves.log("finetune", step, {"loss": 1.0 / step, "valid_macro_f1": 0.5})
        curves.close()

    assert [(row["finetune/step"], row["finetune/loss"]) for row in rows(tmp_path)] == [
        (10, 0.1), (20, 0.05), (20, 0.05), (30, pytest.approx(1 / 30)),
    ]  # fmt: skip
    assert rows(tmp_path)[0] == {"finetune/step": 10, "finetune/loss": 0.1, "finetune/valid_macro_f1": 0.5}
    runs = {(one.run.run_id, one.run.project) for one in records(tmp_path) if one.HasField("run")}
    assert runs == {("finetune-aaaaaaaaaaaaaaaa", "tonewatch")}
    assert wandb.run is None
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")


def test_nothing_private_is_in_the_files(tmp_path, wandb):
    curves = WandbCurves(tmp_path, "finetune", DIGEST, {**OFFLINE, "WANDB_TAGS": "mood"})
    curves.log("finetune", 10, {"loss": 2.0})
    curves.close()

    (run,) = [one.run for one in records(tmp_path) if one.HasField("run")][:1]
    assert (run.host, run.git.commit, run.git.remote_url, run.notes) == ("", "", "", "")
    kinds = {one.WhichOneof("record_type") for one in records(tmp_path)}
    assert not kinds & {"stats", "output", "output_raw", "files", "artifact", "environment"}
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert KEY.encode() not in content, path
        assert b"a note" not in content, path
    sent = b"".join(path.read_bytes() for path in tmp_path.rglob("*.wandb"))
    private = [socket.gethostname(), str(Path.cwd()), sys.executable, sys.argv[0], str(tmp_path), "pytest"]
    assert [one for one in private if one.encode() in sent] == []
    assert [path for path in tmp_path.rglob("files/*") if path.is_file()] == []


@pytest.mark.usefixtures("wandb")
def test_files_go_where_the_user_says(tmp_path):
    environment = {**OFFLINE, "WANDB_DIR": str(tmp_path / "theirs"), "WANDB_PROJECT": "mood"}
    curves = WandbCurves(tmp_path / "home", "finetune", DIGEST, environment)
    curves.log("finetune", 10, {"loss": 2.0})
    curves.close()

    assert rows(tmp_path / "theirs") == [{"finetune/step": 10, "finetune/loss": 2.0}]
    assert {one.run.project for one in records(tmp_path) if one.HasField("run")} == {"mood"}


@pytest.mark.usefixtures("wandb")
@pytest.mark.parametrize("answers", [True, False])
def test_a_wandb_out_of_reach_is_one_warning_and_a_short_wait(tmp_path, monkeypatch, capsys, answers):
    monkeypatch.setattr(wandb_curves, "WAIT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if answers else 9
        environment = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": f"http://127.0.0.1:{port}"}
        curves = WandbCurves(tmp_path, "finetune", DIGEST, environment)
        began = time.monotonic()
        for step in range(10, 100, 10):
            curves.log("finetune", step, {"loss": 2.0})
        curves.close()

    assert time.monotonic() - began < 8
    output = "".join(capsys.readouterr())
    assert output.count("wandb.failed") == 1
    assert KEY not in output


@pytest.mark.usefixtures("wandb")
@pytest.mark.parametrize(
    "environment",
    [{"WANDB_MODE": "online", "NETRC": "/dev/null"}, {"WANDB_API_KEY": "short"}, {"WANDB_MODE": "ofline"}],
)
def test_wrong_settings_are_one_warning_and_no_question(tmp_path, monkeypatch, capsys, environment):
    monkeypatch.setenv("NETRC", "/dev/null")
    # As on a terminal, where W&B would ask for a key.
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    curves = WandbCurves(tmp_path, "finetune", DIGEST, environment)
    curves.log("finetune", 10, {"loss": 2.0})
    curves.close()

    assert "".join(capsys.readouterr()).count("wandb.failed") == 1


@pytest.mark.usefixtures("wandb")
def test_a_home_that_cannot_be_written_stops_no_training(tmp_path, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "wandb").write_text("no folder")
    curves = WandbCurves(tmp_path / "home", "finetune", DIGEST, OFFLINE)
    curves.log("finetune", 10, {"loss": 2.0})
    curves.close()

    assert "".join(capsys.readouterr()).count("wandb.failed") == 1
