"""The section `encoder`: where an encoder starts from."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.base.config import EncoderConfig
from pipeline.base.errors import ConfigError
from pipeline.io.params_file import load_params, set_param, set_params

PARAMS = Path(__file__).parents[3] / "params.yaml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.read_text("utf-8"), "utf-8")
    return path


def changed(path: Path, *assignments: str) -> EncoderConfig:
    set_params(path, assignments)
    return load_params(path).encoder


def test_the_old_word_is_read_as_package_and_named_in_a_warning(path: Path) -> None:
    text = path.read_text("utf-8")
    path.write_text(
        text.replace("start: package", "start: minilm").replace("  package:", "  minilm:"), "utf-8"
    )

    with capture_logs() as logs:
        encoder = load_params(path).encoder

    (warning,) = [one for one in logs if one["event"] == "params.keys_renamed"]
    assert encoder == load_params(PARAMS).encoder
    assert "encoder.start: minilm is now package. Write `start: package`." in warning["keys"]
    assert "encoder.minilm is now encoder.package. Rename it." in warning["keys"]


def test_the_old_word_can_still_be_set(path: Path) -> None:
    set_param(path, "encoder.start=scratch")

    assert changed(path, "encoder.start=minilm").start == "package"
    assert path.read_text("utf-8") == PARAMS.read_text("utf-8")


def test_a_folder_and_a_pinned_model_of_a_hub_are_starts(path: Path) -> None:
    assert changed(path, "encoder.start=folder", "encoder.folder=models/roberta").folder == "models/roberta"
    hub = f"encoder.hub={{model: ann/mine, revision: {COMMIT}}}"
    encoder = changed(path, "encoder.start=hub", hub)
    assert encoder.hub is not None
    assert (encoder.hub.model, encoder.hub.revision) == ("ann/mine", COMMIT)


@pytest.mark.parametrize(
    ("assignments", "sentence"),
    [
        (["encoder.start=folder"], "Write `folder: models/NAME`"),
        (["encoder.start=hub"], r"Write `hub: \{model: ORG/NAME, revision: 40 digits\}`"),
        (["encoder.start=bert"], "'package', 'scratch', 'folder' or 'hub'"),
        (["encoder.hub={model: ann/mine, revision: main}"], "revision is no commit"),
        (["encoder.hub={model: ../mine, revision: " + COMMIT + "}"], r"encoder\.hub\.model"),
        (["encoder.hub={model: ann/mine}"], r"encoder\.hub\.revision is missing"),
        (
            ["encoder.start=scratch", "encoder.scratch.tokenizer=bpe", "encoder.scratch.vocabulary=260"],
            "vocabulary is 260, .* Write `vocabulary: 8000` under `encoder.scratch`, 261 at least",
        ),
        (["encoder.scratch.tokenizer=unigram"], "'wordpiece' or 'bpe'"),
        (["encoder.long_texts=tail"], "'head', 'head_tail' or 'windows'"),
    ],
)
def test_a_start_that_is_not_described_is_refused(path: Path, assignments: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        set_params(path, assignments)


def test_an_unknown_value_of_another_type_is_refused(path: Path) -> None:
    before: Any = path.read_text("utf-8")
    with pytest.raises(ConfigError):
        set_params(path, ["encoder.start=[minilm]"])
    assert path.read_text("utf-8") == before


def test_the_smallest_vocabulary_of_bytes_is_read_and_other_starts_do_not_need_it(path: Path) -> None:
    smallest = ["encoder.scratch.tokenizer=bpe", "encoder.scratch.vocabulary=261"]
    assert changed(path, "encoder.start=scratch", *smallest).scratch.vocabulary == 261
    assert changed(path, "encoder.start=package", "encoder.scratch.vocabulary=20").scratch.tokenizer == "bpe"
