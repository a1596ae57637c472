"""Wrong use and bad input of the command line: the message, the exit code, and nothing half-written."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.base.errors import ConfigError, UsageError
from pipeline.io import parquet
from pipeline.io.params_file import load_profile, set_param, set_params
from pipeline.io.versioning import data_versions
from pipeline.operations.retrain import checkout_pinned_data
from pipeline.operations.workspace import init_workspace
from pipeline.stages.context import StageContext
from pipeline.stages.runner import run_if_changed

GOOD = [
    ("text", "label"),
    *(
        (f"this is text number {n} and it is fine", ("negative", "neutral", "positive")[n % 3])
        for n in range(60)
    ),
]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Create a workspace for a CSV table, and change into it."""
    init_workspace(tmp_path / "ws", "csv")
    monkeypatch.chdir(tmp_path / "ws")
    return tmp_path / "ws"


def table(rows):
    return "".join(",".join(row) + "\n" for row in rows).encode()


def run(capsys, *arguments):
    """Run a command; return its exit code, stdout and stderr."""
    code = run_command(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_outside_a_workspace_the_message_names_init(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    code, _, message = run(capsys, "release", "show")

    assert code == 2
    assert "tonewatch init" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["stage"],
        ["stage", "nosuch"],
        ["predict", "--nope"],
        ["data", "show", "v9"],
        ["run", "--profile", "x"],
    ],
)
def test_wrong_use_is_code_2(workspace, capsys, arguments):
    assert run(capsys, *arguments)[0] == 2


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("  min_words: 1\n", "", "clean.min_words is missing"),
        ("  min_words: 1\n", "  min_words: 1\n  max_wrods: 3\n", "clean.max_wrods is not known"),
        ("seed: 20", "seed: twenty", "seed"),
        ("seed: 20", "seed: [", "is not YAML"),
        ("split:\n", "splitt:\n", "'split'"),
    ],
)
def test_an_invalid_params_file_is_reported_with_its_key(workspace, capsys, before, after, named):
    params = workspace / "params.yaml"
    params.write_text(params.read_text("utf-8").replace(before, after, 1), "utf-8")

    code, _, message = run(capsys, "stage", "collect")

    assert code == 2
    assert named in message


def test_set_rejects_an_invalid_value_and_writes_nothing(workspace, capsys):
    before = (workspace / "params.yaml").read_text("utf-8")

    for assignment in ("clean.min_words=zero", "clean.nosuch=1", "clean.min_words", "nosuch.key=1"):
        assert run(capsys, "run", "--set", assignment)[0] == 2

    assert (workspace / "params.yaml").read_text("utf-8") == before


@pytest.mark.parametrize(
    ("content", "code", "named"),
    [
        (None, 3, "texts.csv"),
        (b"", 1, "empty"),
        (b"text,label\n", 1, "texts.csv"),
        (b"words,label\na,positive\n", 1, "'text'"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), 1, "texts.csv"),
    ],
)
def test_an_unreadable_table_is_rejected_and_leaves_nothing(workspace, capsys, content, code, named):
    if content is not None:
        (workspace / "texts.csv").write_bytes(content)

    exit_code, _, message = run(capsys, "stage", "collect")

    assert (exit_code, named in message) == (code, True), message
    assert not (workspace / "data" / "raw").exists()


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (
            [("text", "label"), *((f"text {n} of one class only here", "positive") for n in range(60))],
            "label",
        ),
        ([("text", "label"), *(("the very same words", "positive") for _ in range(60))], "texts"),
    ],
)
def test_unusable_data_are_rejected_before_training(workspace, capsys, rows, named):
    (workspace / "texts.csv").write_bytes(table(rows))
    assert [run(capsys, "stage", stage)[0] for stage in ("collect", "clean")] == [0, 0]

    code, _, message = run(capsys, "stage", "validate")

    assert code == 1
    assert named in message
    assert not (workspace / "data" / "validation").exists()


def test_unknown_labels_stop_the_cleaning_with_the_line_to_write(workspace, capsys):
    rows = [("text", "label"), *((f"text number {n} is here", "unheard") for n in range(60))]
    (workspace / "texts.csv").write_bytes(table(rows))
    assert run(capsys, "stage", "collect")[0] == 0

    code, _, message = run(capsys, "stage", "clean")

    assert (code, "unheard" in message, "label_map" in message) == (1, True, True), message
    assert not (workspace / "data" / "clean").exists()


def test_latin_1_is_read_as_such(workspace, capsys):
    rows = ["text,label", *(f"stra\u00dfe {n},{('positive', 'negative')[n % 2]}" for n in range(40))]
    (workspace / "texts.csv").write_bytes("\n".join(rows).encode("latin-1"))

    code, _, _ = run(capsys, "stage", "collect")

    assert code == 0
    assert parquet.read_texts(workspace / "data" / "raw" / "texts.parquet")[0].text == "stra\u00dfe 0"


def test_labels_may_be_numbers(workspace, capsys):
    rows = [
        ("text", "label"),
        *((f"this is text number {n} and it is fine", str(n % 5 + 1)) for n in range(100)),
    ]
    (workspace / "texts.csv").write_bytes(table(rows))
    set_param(workspace / "params.yaml", "collect.labels=[1, 2, 3, 4, 5]")

    assert [run(capsys, "stage", stage)[0] for stage in ("collect", "clean", "validate", "split")] == [
        0,
        0,
        0,
        0,
    ]


def test_a_bad_source_keeps_the_output_of_a_good_one(workspace, capsys):
    (workspace / "texts.csv").write_bytes(table(GOOD))
    assert run(capsys, "stage", "collect")[0] == 0
    before = (workspace / "data" / "raw" / "texts.parquet").read_bytes()
    (workspace / "texts.csv").write_bytes(b"\x00\x01\x02")

    assert run(capsys, "stage", "collect")[0] == 1

    assert (workspace / "data" / "raw" / "texts.parquet").read_bytes() == before


def test_a_changed_byte_between_two_stages_is_detected(workspace, capsys):
    (workspace / "texts.csv").write_bytes(table(GOOD))
    assert run(capsys, "stage", "collect")[0] == 0
    path = workspace / "data" / "raw" / "texts.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    code, _, message = run(capsys, "stage", "clean")

    assert code == 3
    assert "texts.parquet was changed" in message


def test_a_stage_without_inputs_names_the_stage_that_writes_them(workspace, capsys):
    code, _, message = run(capsys, "stage", "split")

    assert code == 3
    assert "tonewatch stage validate" in message


def test_before_the_first_release_commands_are_refused(workspace, capsys):
    assert run(capsys, "release", "show")[0] == 2
    assert run(capsys, "predict", "a text")[0] == 2
    assert run(capsys, "report")[0] == 2
    assert run(capsys, "release", "rollback")[0] == 1
    assert run(capsys, "data", "rollback")[0] == 1
    assert run(capsys, "release", "list", "--json")[:2] == (0, "[]\n")


def test_without_git_the_message_names_git_init(workspace, capsys):
    (workspace / ".git").rename(workspace / "git-aside")
    (workspace / "texts.csv").write_bytes(table(GOOD))

    code, _, message = run(capsys, "data", "list")

    assert code == 2
    assert "git init" in message


def test_an_error_with_json_is_one_document(workspace, capsys):
    code, out, _ = run(capsys, "release", "show", "--json")

    assert json.loads(out)["code"] == code == 2


def test_a_full_disk_is_reported_and_the_old_output_kept(workspace, capsys, tmp_path):
    (workspace / "texts.csv").write_bytes(table(GOOD))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(workspace / "data")], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        assert run(capsys, "stage", "collect")[0] == 0
        before = sorted((workspace / "data" / "raw").iterdir())
        (workspace / "data" / "ballast").write_bytes(b"")
        _fill(workspace / "data" / "ballast")

        code, _, message = run(capsys, "stage", "collect")

        assert code == 3
        assert "No space is left" in message
        assert sorted((workspace / "data" / "raw").iterdir()) == before
    finally:
        subprocess.run(["umount", str(workspace / "data")], check=True)


def _fill(path: Path):
    with path.open("ab", buffering=0) as file:
        try:
            while file.write(b"\0" * 1024):
                pass
        except OSError:
            return


def test_set_reports_the_change_and_keeps_comments(workspace):
    params = workspace / "params.yaml"
    comments = params.read_text("utf-8").count("#")

    message = set_param(params, "finetune.epochs=3")

    assert message == "params.yaml: finetune.epochs was 1, is 3"
    assert params.read_text("utf-8").count("#") == comments


def test_set_writes_all_or_nothing(workspace):
    params = workspace / "params.yaml"
    before = params.read_text("utf-8")

    with pytest.raises(ConfigError, match="nosuch"):
        set_params(params, ["finetune.epochs=3", "nosuch.key=1"])
    assert params.read_text("utf-8") == before

    # Neither of the two is valid without the other.
    set_params(params, ["evaluate.vader_thresholds=[0.0]", "collect.labels=[bad, good]"])
    assert not list(workspace.glob(".params.yaml.*"))


def test_params_edited_during_a_run_are_not_recorded(workspace, capsys):
    at = StageContext(Workspace.of(workspace, {}), load_profile("laptop"))
    (workspace / "texts.csv").write_bytes(table(GOOD))
    assert run_if_changed(at, "identity").ran is False
    assert run_if_changed(at, "collect").ran is True
    set_param(workspace / "params.yaml", "clean.max_words=300")

    with pytest.raises(UsageError, match="changed during the run"):
        run_if_changed(at, "clean")

    fresh = StageContext(Workspace.of(workspace, {}), load_profile("laptop"))
    assert run_if_changed(fresh, "collect").ran is False
    assert run_if_changed(fresh, "clean").ran is True


def test_a_pinned_version_needs_no_source_and_blocks_data_stages(workspace, capsys):
    (workspace / "texts.csv").write_bytes(table(GOOD))
    at = StageContext(Workspace.of(workspace, {}), load_profile("laptop"))
    for name in ("identity", "collect", "clean", "validate", "split"):
        run_if_changed(at, name)
    data_versions.keep_data_version(workspace, "a test")
    set_param(workspace / "params.yaml", "data.version=v1")
    (workspace / "texts.csv").unlink()

    pinned = StageContext(Workspace.of(workspace, {}), load_profile("laptop"))
    checkout_pinned_data(pinned)

    assert [
        run_if_changed(pinned, name).ran for name in ("identity", "collect", "clean", "validate", "split")
    ] == [False] * 5
    assert run(capsys, "stage", "collect")[0] == 2
    set_param(workspace / "params.yaml", "collect.labels=[some, other]")
    with pytest.raises(UsageError, match="negative"):
        checkout_pinned_data(StageContext(Workspace.of(workspace, {}), load_profile("laptop")))
