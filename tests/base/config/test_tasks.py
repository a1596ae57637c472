"""The key `task`: what does not fit the task is refused when params.yaml is read, with the line to write."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.base.config.parsing import parse_params
from pipeline.base.errors import ConfigError
from pipeline.operations.workspace import params_of


def params(task: str, labels: list[str], *, columns: dict[str, Any] | None = None, **sections: Any) -> str:
    """Return the params of the preset for tables with another task, other labels and other values."""
    content = yaml.safe_load(params_of("csv"))
    content["task"], content["collect"]["labels"] = task, labels
    content["collect"]["sources"][0]["columns"] |= columns or {}
    for name, values in sections.items():
        content[name] |= values
    return yaml.safe_dump(content, sort_keys=False)


def copies(**shares: float) -> dict[str, float]:
    """Return the section `augment` with these shares, and none of the others."""
    return {"typos": 0.0, "case": 0.0, "words": 0.0, **shares}


@pytest.mark.parametrize(
    ("task", "labels", "more"),
    [
        ("single_label", ["joy", "anger"], {}),
        ("multi_label", ["food", "price"], {"finetune": {"augment": copies(typos=1.0, case=0.5)}}),
        ("ordinal", ["1", "2", "3"], {}),
        (
            "ordinal",
            ["joy", "anger", "fear"],
            {"finetune": {"ordinal": {"sharpness": 2.0, "in_order": True}}},
        ),
        ("multi_label", ["food", "price"], {}),
        ("token_labels", ["person", "place"], {"columns": {"label": None, "spans": "entities"}}),
        ("aspect", ["bad", "good"], {"columns": {"target": "aspect"}}),
        ("generation", [], {"columns": {"label": None, "reference": "summary"}}),
        ("generation", [], {"columns": {"label": None}}),
    ],
)
def test_what_fits_its_task_is_read(task: str, labels: list[str], more: dict[str, Any]) -> None:
    assert parse_params(params(task, labels, **more)).task == task


@pytest.mark.parametrize(
    ("task", "labels", "more", "message"),
    [
        (
            "ordinal",
            ["2", "1", "3"],
            {},
            "they are out of order, which is 1, 2, 3. Write `task: single_label`",
        ),
        ("ordinal", ["joy", "anger", "fear"], {}, "no order of joy, anger, fear is known"),
        ("ordinal", ["bad", "good"], {}, "2 labels have no order"),
        ("multi_label", ["food", "food+price"], {}, "'food\\+price' holds '\\+', which joins the labels"),
        ("multi_label", ["food", "No label"], {}, "'no label' is the answer for a text that has none"),
        ("token_labels", ["person", "place"], {}, "source texts brings no entities: write `spans: COLUMN`"),
        (
            "single_label",
            ["person", "place"],
            {"columns": {"label": None, "spans": "entities"}},
            "source texts has columns.spans: write `task: token_labels`",
        ),
        (
            "token_labels",
            ["person", "place"],
            {"columns": {"label": None, "spans": "entities"}, "encoder": {"long_texts": "windows"}},
            "write `encoder: {long_texts: head}`",
        ),
        (
            "multi_label",
            ["food", "service", "price"],
            {"evaluate": {"vader_thresholds": [-0.1, 0.1]}},
            "write `evaluate: {vader_thresholds: null}`",
        ),
        ("aspect", ["bad", "good"], {}, "source texts names no target of a text: write `target: COLUMN`"),
        (
            "single_label",
            ["bad", "good"],
            {"columns": {"target": "aspect"}},
            "source texts has columns.target: write `task: aspect`",
        ),
        (
            "aspect",
            ["bad", "good"],
            {"columns": {"target": "aspect"}, "encoder": {"long_texts": "windows"}},
            "task is `aspect`, which reads a text from its beginning",
        ),
        ("single_label", [], {}, "a model needs two labels"),
        ("single_label", ["bad", "good"], {"columns": {"label": None}}, "map exactly one of columns.label"),
        (
            "single_label",
            ["bad", "good"],
            {"columns": {"label": None, "reference": "summary"}},
            "source texts has columns.reference: write `task: generation`",
        ),
        (
            "generation",
            ["bad", "good"],
            {"columns": {"label": None}},
            "write `labels: \\[\\]` under `collect`",
        ),
        ("generation", [], {}, "source texts has labels: write `reference: COLUMN` in its columns"),
        (
            "generation",
            [],
            {"columns": {"label": None, "reference": "summary"}, "encoder": {"answer_tokens": 61}},
            "leaves nothing of the 64 of encoder.max_tokens to read",
        ),
        ("weather", ["sun", "rain"], {}, "task"),
        *(
            (
                task,
                labels,
                {"columns": columns, "finetune": {"augment": copies(typos=0.1)}},
                "whose answer stays",
            )
            for task, labels, columns in (
                ("token_labels", ["person", "place"], {"label": None, "spans": "entities"}),
                ("generation", [], {"label": None, "reference": "summary"}),
            )
        ),
        (
            "single_label",
            ["bad", "good"],
            {"finetune": {"augment": copies(words=0.1)}, "encoder": {"long_texts": "windows"}},
            "reads a text at once",
        ),
        (
            "multi_label",
            ["food", "price"],
            {"finetune": {"augment": copies(words=0.1)}},
            "augment: {words: 0.1}` under `finetune` is for texts of one label",
        ),
        *(
            (
                task,
                ["food", "price"],
                {"columns": columns, "finetune": change},
                f"`{said}` under `finetune` is for texts of one label, and the task is {task}. Take it out",
            )
            for task, columns in (
                ("multi_label", {}),
                ("token_labels", {"label": None, "spans": "entities"}),
            )
            for change, said in (
                ({"method": "prompt"}, "method: prompt"),
                ({"method": "contrastive"}, "method: contrastive"),
                ({"label_smoothing": 0.1}, "label_smoothing: 0.1"),
                ({"dropout": 0.1, "r_drop": 1.0}, "r_drop: 1.0"),
                ({"seeds": [1, 2], "combine": "ensemble"}, "combine: ensemble"),
            )
        ),
        (
            "multi_label",
            ["food", "price"],
            {"tune": {"ranges": {"finetune.label_smoothing": {"choices": [0.0, 0.2]}}}},
            "tune.ranges: finetune.label_smoothing cannot be 0.2: `label_smoothing: 0.2` under `finetune` is",
        ),
    ],
)
def test_what_does_not_fit_its_task_is_refused(
    task: str, labels: list[str], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_params(params(task, labels, **more))


def test_params_of_an_earlier_version_are_of_single_labels(root: Path) -> None:
    content = yaml.safe_load((root / "params.yaml").read_text("utf-8"))
    del content["task"], content["finetune"]["ordinal"], content["gate"]["ordinal"], content["gate"]["items"]

    assert parse_params(yaml.safe_dump(content)).task == "single_label"
