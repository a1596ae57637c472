"""The section `finetune`: its methods, and what does not go together."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from training_methods import method

from pipeline.base.config import FinetuneConfig
from pipeline.base.earlier_params.added_keys import ADDED_KEYS
from pipeline.base.errors import ConfigError
from pipeline.io.params_file import load_params, set_params


@pytest.fixture
def path(tmp_path: Path, root: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text((root / "params.yaml").read_text("utf-8"), "utf-8")
    return path


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("finetune.method=top:0", "finetune.method: no such method. Write one of: full, head"),
        ("finetune.method=top:-1", "no such method"),
        ("finetune.method=Lora", "no such method"),
        ("finetune.lora.rank=0", "finetune.lora.rank: Input should be greater than or equal to 1"),
        ("finetune.lora.rank=-4", "finetune.lora.rank"),
        ("finetune.lora.alpha=0", "finetune.lora.alpha"),
        ("finetune.lora.targets=[]", "no matrix is named"),
        ("finetune.layer_decay=0", "finetune.layer_decay"),
        ("finetune.layer_decay=1.1", "finetune.layer_decay"),
        ("finetune.label_smoothing=1", "finetune.label_smoothing"),
        ("finetune.r_drop=1.0", "write `dropout: 0.1` beside it"),
        ("finetune.adversarial=pgd", "finetune.adversarial"),
        ("finetune.perturbation.steps=0", "finetune.perturbation.steps"),
        ("finetune.average=swa", "finetune.average"),
        ("finetune.average_share=0", "finetune.average_share"),
        ("finetune.seeds=[3, 4, 3]", "write each seed once"),
        ("finetune.combine=mean", "finetune.combine"),
        ("finetune.prompt.template=It was [MASK].", "it needs {text} and [MASK] once each"),
        ('finetune.prompt.template="{text} [MASK] [MASK]"', "it needs {text} and [MASK] once each"),
        ("finetune.start=release", "finetune.start"),
        ("finetune.replay.share=1.5", "finetune.replay.share"),
        ("finetune.student.temperature=0", "finetune.student.temperature"),
        ("finetune.learning_rate=.inf", "finetune.learning_rate: Input should be a finite number"),
        ("finetune.learning_rate=.nan", "finetune.learning_rate: Input should be"),
        ("finetune.weight_decay=.inf", "finetune.weight_decay: Input should be a finite number"),
        ("pretrain.max_grad_norm=.inf", "pretrain.max_grad_norm: Input should be a finite number"),
        ("gate.baseline_margin=-.inf", "gate.baseline_margin: Input should be a finite number"),
        ("finetune.lora.targets=query", "finetune.lora.targets: names are a list: write [query], or `all`"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(assignment: str, message: str, path: Path) -> None:
    before = path.read_bytes()

    with pytest.raises(ConfigError) as refused:
        set_params(path, [assignment])

    assert message in str(refused.value)
    assert path.read_bytes() == before


def test_a_fault_of_a_whole_section_shows_no_piece_of_it(path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        set_params(path, ["finetune.r_drop=1.0"])

    assert "found:" not in str(refused.value)
    with pytest.raises(ConfigError, match=r"\(found: '2'\)"):
        set_params(path, ["finetune.label_smoothing=2"])


def test_pairs_have_no_head_to_compare_two_passes_of(path: Path) -> None:
    with pytest.raises(ConfigError, match="`method: contrastive` trains pairs without one"):
        set_params(path, ["finetune.method=contrastive", "finetune.dropout=0.1", "finetune.r_drop=1"])


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["finetune.method=top:3"], {"method": "top:3", "top_blocks": 3, "has_adapters": False}),
        (
            ["finetune.method=adalora", "finetune.lora.targets=[query, value]"],
            {"top_blocks": None, "has_adapters": True},
        ),
        (["finetune.dropout=0.1", "finetune.r_drop=1"], {"r_drop": 1.0}),
        (
            ["finetune.method=lora", "finetune.lora.dropout=0.1", "finetune.r_drop=1"],
            {"dropout": 0.0, "has_adapters": True},
        ),
    ],
)
def test_methods_and_what_combines_are_read(
    assignments: list[str], expected: dict[str, Any], path: Path
) -> None:
    set_params(path, assignments)

    section = load_params(path).finetune

    assert {name: getattr(section, name) for name in expected} == expected


@pytest.mark.parametrize("value", ["{text} [MASK]", "[", "a: b: c", "@x", '"no end', "*all", "%3"])
def test_a_value_that_is_no_yaml_is_refused_with_its_key(value: str, path: Path) -> None:
    before = path.read_bytes()

    with pytest.raises(
        ConfigError, match=r"finetune\.prompt\.template: .* is not YAML\. Put a text .* between quotes"
    ):
        set_params(path, [f"finetune.prompt.template={value}"])

    assert path.read_bytes() == before


def test_a_file_without_methods_trains_all_weights_as_before(path: Path, root: Path) -> None:
    content = yaml.safe_load(path.read_text("utf-8"))
    for key in ADDED_KEYS:
        if key.startswith("finetune."):
            del content["finetune"][key.removeprefix("finetune.")]
    path.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")

    section: FinetuneConfig = load_params(path).finetune

    assert section == method(root, "full")


def test_words_are_not_swapped_where_training_goes_on_from_the_champion(path: Path) -> None:
    words = "finetune.augment={typos: 0.0, case: 0.0, words: 0.2}"

    with pytest.raises(ConfigError, match=r"a champion has none: write `words: 0\.0`"):
        set_params(path, [words, "finetune.start=champion"])


@pytest.mark.parametrize("name", ["prompt", "contrastive"])
def test_a_method_that_makes_a_new_head_does_not_start_from_the_champion(name: str, path: Path) -> None:
    with pytest.raises(ConfigError, match="write `method: full`, or `start: encoder`"):
        set_params(path, [f"finetune.method={name}", "finetune.start=champion"])
