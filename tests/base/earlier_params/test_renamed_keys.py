"""Old keys of params.yaml: a user's file names the new ones, a release's file is read by them."""

from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from pipeline.base.config.params import Params
from pipeline.base.config.parsing import keep_operational_sections, parse_params, validate_section
from pipeline.base.earlier_params.renamed_keys import (
    GONE_KEYS,
    RENAMED_KEYS,
    renamed_key,
    upgrade_params_text,
)
from pipeline.base.errors import ConfigError
from pipeline.io.params_file import load_params, set_param

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def old_text() -> str:
    """Return a params.yaml from before the keys were renamed."""
    return (ROOT / "tests" / "fixtures" / "params_with_old_keys.yaml").read_text("utf-8")


def test_old_params_text_is_read_by_its_new_keys(old_text: str) -> None:
    params = parse_params(old_text)

    assert (params.pretrain.learning_rate, params.finetune.learning_rate) == (2.0e-4, 1.5e-4)
    assert params.serve.max_batch_size == 128
    assert params.collect.feedback is not None
    assert params.collect.replay is not None
    assert (params.collect.feedback.max_texts, params.collect.replay.max_texts) == (5000, 2000)
    assert [source.kind for source in params.collect.sources][-2:] == ["feedback", "replay"]


def test_upgrade_changes_only_lines_with_old_keys(old_text: str) -> None:
    gone = {key.rpartition(".")[2] for key in GONE_KEYS}
    words = (
        {old for keys in RENAMED_KEYS.values() for old in keys} | gone | {"feedback_texts", "replay_texts"}
    )
    before = [line for line in old_text.splitlines() if not any(f"{word}:" in line for word in words)]
    after = upgrade_params_text(old_text)

    kept = iter(after.splitlines())
    assert all(line in kept for line in before)
    assert upgrade_params_text(after) == after


def test_text_without_old_keys_is_not_touched() -> None:
    text = (ROOT / "params.yaml").read_text("utf-8")

    assert upgrade_params_text(text) is text


def test_every_new_key_is_a_key_of_its_section() -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    for section, keys in RENAMED_KEYS.items():
        values = content
        for part in section.split("."):
            values = values[part]
        values = values[0] if isinstance(values, list) else values
        assert set(keys.values()) <= set(values), section
        assert not set(keys) & set(values), section


def test_gone_keys_are_keys_of_no_section() -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))

    for dotted in GONE_KEYS:
        assert not _has(content, dotted), dotted


def test_a_gone_key_is_read_over_and_named(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text("utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(
        text.replace("    max_megabytes: 25.0\n", "    max_megabytes: 25.0\n    equal_speed: 0.1\n")
    )

    with structlog.testing.capture_logs() as events:
        params = load_params(path)

    assert params == load_params(ROOT / "params.yaml")
    assert upgrade_params_text(path.read_text("utf-8")) == text
    assert events[0]["keys"] == [
        "compress.budget.equal_speed is gone: the smallest variant within the budget is served, "
        "whatever its speed. Remove it."
    ]


def _has(content: Any, dotted: str) -> bool:
    for name in dotted.split("."):
        if name not in content:
            return False
        content = content[name]
    return True


FLOW = "collect: {feedback_texts: 7, labels: [a, b], sources: [{kind: csv, renames: {}}], replay_texts: 0}\n"
BLOCK = """\
collect:
  sources:
    - kind: csv
      renames: {clip: bad}  # a label named as a key is data

  # of each source that is gone
  replay_texts: 3
  feedback_texts: 0
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "compress: {budget: {equal_speed: 1.0, max_megabytes: 5}}\n",
            "compress: {budget: {max_megabytes: 5}}\n",
        ),
        (
            FLOW,
            "collect: {labels: [a, b], sources: [{kind: csv, label_map: {}}, "
            "{kind: feedback, name: feedback, max_texts: 7}]}\n",
        ),
        (
            BLOCK,
            "collect:\n  sources:\n    - kind: csv\n"
            "      label_map: {clip: bad}  # a label named as a key is data\n"
            "    - {kind: replay, name: replay, max_texts: 3}\n\n  # of each source that is gone\n",
        ),
        (
            "compress: {recovery: {clip: 1.0}, clip: 2}\n",
            "compress: {recovery: {max_grad_norm: 1.0}, clip: 2}\n",
        ),
    ],
)
def test_upgrade_by_hand(old: str, new: str) -> None:
    assert upgrade_params_text(old) == new


def test_users_file_with_old_keys_is_read_and_each_is_named(tmp_path: Path, old_text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(old_text, "utf-8")

    with structlog.testing.capture_logs() as events:
        params = load_params(path)
        load_params(path)

    assert params == parse_params(upgrade_params_text(old_text))
    (warning,) = events
    assert (warning["event"], warning["log_level"]) == ("params.keys_renamed", "warning")
    assert "pretrain.peak_rate is now pretrain.learning_rate. Rename it." in warning["keys"]
    assert "collect.sources.0.renames is now collect.sources.0.label_map. Rename it." in warning["keys"]
    assert "compress.budget.max_f1_fall is now compress.budget.max_f1_drop. Rename it." in warning["keys"]
    assert "watch.events is now watch.change_points. Rename it." in warning["keys"]
    assert any("collect.feedback_texts is now a source." in sentence for sentence in warning["keys"])


def test_old_key_beside_its_new_one_is_rejected_with_both_names(tmp_path: Path, old_text: str) -> None:
    content = yaml.safe_load(old_text)
    content["pretrain"]["learning_rate"] = 0.1

    with pytest.raises(ConfigError) as error:
        validate_section(Params, content, Path("params.yaml"))

    assert "  pretrain.peak_rate is now pretrain.learning_rate. Rename it." in str(error.value)


def test_set_writes_todays_keys_into_an_old_file(tmp_path: Path, old_text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(old_text, "utf-8")

    set_param(path, "pretrain.learning_rate=0.1")

    assert load_params(path).pretrain.learning_rate == 0.1
    assert "peak_rate" not in path.read_text("utf-8")


def test_same_word_elsewhere_is_only_unknown() -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    content["clean"]["clip"] = 1.0

    with pytest.raises(ConfigError, match=r"clean\.clip is not known"):
        validate_section(Params, content, Path("params.yaml"))
    assert renamed_key(["clean", "clip"]) is None


def test_set_names_the_new_key(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())

    with pytest.raises(ConfigError, match=r"pretrain\.peak_rate is now pretrain\.learning_rate\. Rename it"):
        set_param(path, "pretrain.peak_rate=0.1")
    with pytest.raises(ConfigError, match=r"list `- \{kind: feedback, name: feedback"):
        set_param(path, "collect.feedback_texts=0")


def test_rollback_writes_a_valid_file_from_an_old_release(tmp_path: Path, old_text: str) -> None:
    now = (ROOT / "params.yaml").read_text("utf-8").replace("max_batch_size: 128", "max_batch_size: 16")
    path = tmp_path / "params.yaml"
    path.write_text(keep_operational_sections(old_text, now), "utf-8")

    params = load_params(path)
    assert params.serve.max_batch_size == 16
    assert params.model_dump(exclude={"serve"}) == parse_params(old_text).model_dump(exclude={"serve"})
