"""Moves after the first release: a changed parameter, a rollback, new data, and a rejected candidate."""

import pytest

from pipeline.io import parquet
from pipeline.io.registry.mlflow_models import ModelRegistry


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_change_a_parameter_roll_back_and_add_data_from_a_wheel(new_workspace, wheel, tiny, tmp_path):
    pipeline = new_workspace(tmp_path, library=wheel)
    first = pipeline("run", *tiny)
    assert first.code == 0, first.err
    assert first.json["document"]["code_commit"].startswith("tonewatch ")
    _change_a_parameter(pipeline)
    _roll_back_and_return(pipeline)
    _add_and_roll_back_data(pipeline)
    _flip_a_label(pipeline)


def _change_a_parameter(pipeline):
    changed = pipeline("run", "--set", "compress.uncertain_share=0.1", "--reason", "another rule")

    assert changed.code == 0, changed.err
    assert changed.json["ran"] == ["compress", "evaluate"]
    assert len(pipeline("data", "list").json) == 1
    assert pipeline("release", "show").json["release"] == "R2"


def _roll_back_and_return(pipeline):
    aliases = ModelRegistry(f"sqlite:///{pipeline.folder}/.tonewatch/mlflow.db").aliases
    current = pipeline("release", "show").json
    assert current["release"] == "R2"
    lock = (pipeline.folder / "dvc.lock").read_text()

    back = pipeline("release", "rollback", "--reason", "a test")
    earlier = pipeline("release", "show").json
    there, there_lock = aliases(), (pipeline.folder / "dvc.lock").read_text()
    again = pipeline("release", "rollback")

    assert (back.code, again.code) == (0, 0), back.err + again.err
    assert (back.json["to"], back.json["pending"]) == ("R1", [])
    assert earlier["release"] == "R1"
    assert there["champion"] == earlier["model_version"]
    assert there["previous"] == current["model_version"]
    assert there_lock == earlier["lock"]
    assert pipeline("release", "show").json["release"] == "R2"
    assert aliases()["champion"] == current["model_version"]
    assert (pipeline.folder / "dvc.lock").read_text() == lock
    assert [move["to"] for move in pipeline("release", "list").json] == ["R2", "R1", "R2", "R1"]
    assert pipeline("release", "verify").json["releases"] == ["R1", "R2"]


def _add_and_roll_back_data(pipeline):
    with (pipeline.folder / "texts.csv").open("a", encoding="utf-8") as table:
        table.writelines(
            f"a {word} sandwich,{label}\n"
            for word, label in (("superb", "good"), ("dreadful", "bad"), ("plain", "fine"))
        )

    more = pipeline("run", "--reason", "more rows")
    back = pipeline("data", "rollback", "v1")
    pinned = pipeline("run")

    assert more.json["document"]["data_version"] == "v2", more.err
    assert back.json["name"] == "v1"
    assert pinned.json["document"]["data_version"] == "v1", pinned.err
    assert [version["name"] for version in pipeline("data", "list").json] == ["v2", "v1"]


def _flip_a_label(pipeline):
    """Damage a candidate: label what is bad as good, in the training split alone."""
    train = set(parquet.read_rows(pipeline.folder / "data" / "splits" / "train.parquet")["text"])
    table = pipeline.folder / "texts.csv"
    rows = [row.rsplit(",", 1) for row in table.read_text("utf-8").splitlines()]
    flipped = [f"{text},{'good' if text in train and label == 'bad' else label}" for text, label in rows]
    table.write_text("\n".join(flipped) + "\n", "utf-8")
    served = pipeline("release", "show").json["release"]

    rejected = pipeline("run", "--set", "data.version=newest")

    assert rejected.code == 1, rejected.err
    assert "Slices with a significant drop" in rejected.json["error"]
    assert "class=bad from" in rejected.json["error"]
    assert pipeline("release", "show").json["release"] == served
