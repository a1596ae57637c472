"""What moves after the first release: a number, the champion, the data."""

import pytest

from pipeline.io import parquet
from pipeline.io.registry.mlflow_models import ModelRegistry


@pytest.mark.timeout(600)
def test_from_a_wheel_without_a_checkout_change_a_number_roll_back_and_let_the_data_grow(
    new_workspace, wheel, tiny, tmp_path
):
    line = new_workspace(tmp_path, library=wheel)
    first = line("run", *tiny)
    assert first.code == 0, first.err
    assert first.answer["document"]["code_commit"].startswith("tonewatch ")
    _change_a_number(line)
    _roll_back_and_return(line)
    _grow_and_roll_back_the_data(line)
    _flip_a_label(line)


def _change_a_number(line):
    changed = line("run", "--set", "compress.uncertain_share=0.1", "--reason", "another rule")

    assert changed.code == 0, changed.err
    assert changed.answer["ran"] == ["compress", "evaluate"]
    assert len(line("data", "list").answer) == 1
    assert line("release", "show").answer["release"] == "R2"


def _roll_back_and_return(line):
    aliases = ModelRegistry(f"sqlite:///{line.folder}/.tonewatch/mlflow.db").aliases
    current = line("release", "show").answer
    assert current["release"] == "R2"
    lock = (line.folder / "dvc.lock").read_text()

    back = line("release", "rollback", "--reason", "a look back")
    earlier = line("release", "show").answer
    there, there_lock = aliases(), (line.folder / "dvc.lock").read_text()
    again = line("release", "rollback")

    assert (back.code, again.code) == (0, 0), back.err + again.err
    assert (back.answer["to"], back.answer["pending"]) == ("R1", [])
    assert earlier["release"] == "R1"
    assert there["champion"] == earlier["model_version"]
    assert there["previous"] == current["model_version"]
    assert there_lock == earlier["lock"]
    assert line("release", "show").answer["release"] == "R2"
    assert aliases()["champion"] == current["model_version"]
    assert (line.folder / "dvc.lock").read_text() == lock
    assert [move["to"] for move in line("release", "list").answer] == ["R2", "R1", "R2", "R1"]
    assert line("release", "verify").answer["releases"] == ["R1", "R2"]


def _grow_and_roll_back_the_data(line):
    with (line.folder / "texts.csv").open("a", encoding="utf-8") as table:
        table.writelines(
            f"a {word} sandwich,{label}\n"
            for word, label in (("superb", "good"), ("dreadful", "bad"), ("plain", "fine"))
        )

    grown = line("run", "--reason", "more rows")
    back = line("data", "rollback", "v1")
    pinned = line("run")

    assert grown.answer["document"]["data_version"] == "v2", grown.err
    assert back.answer["name"] == "v1"
    assert pinned.answer["document"]["data_version"] == "v1", pinned.err
    assert [version["name"] for version in line("data", "list").answer] == ["v2", "v1"]


def _flip_a_label(line):
    """Damage a release on purpose: in training, and nowhere else, what is bad is called good."""
    train = set(parquet.read_rows(line.folder / "data" / "splits" / "train.parquet")["text"])
    table = line.folder / "texts.csv"
    rows = [row.rsplit(",", 1) for row in table.read_text("utf-8").splitlines()]
    flipped = [f"{text},{'good' if text in train and label == 'bad' else label}" for text, label in rows]
    table.write_text("\n".join(flipped) + "\n", "utf-8")
    served = line("release", "show").answer["release"]

    refused = line("run", "--set", "data.version=newest")

    assert refused.code == 1, refused.err
    assert "Slices that surely fell" in refused.answer["error"]
    assert "class=bad from" in refused.answer["error"]
    assert line("release", "show").answer["release"] == served
