"""A model reads a text as it learnt texts: in training, at both commands and in the service."""

import json
from pathlib import Path

import pytest
import toy
from case_rows import RowsReader, table_source

from pipeline.core.model.predictor import Predictor
from pipeline.core.privacy.preparation import EARLIER, PREPARATION
from pipeline.inference.journal_entry import TextRequest, prepare_text
from pipeline.inference.predict import read_lines
from pipeline.io import parquet
from pipeline.stages import collect

TEXTS = (
    "soooooo <b>good</b> &amp; cheap, see https://x.org/a?b=1",
    "write to a&#64;b.org or call +44 20 7946 0312",
    "b'caf\\xc3\\xa9 by @kite_27'",
    "It\\u2019s fine\u200b",
)


def toy_predictor(folder: Path, preparation: str) -> Predictor:
    toy.candidate(folder, {"good": "positive"})
    settings = json.loads((folder / "model.json").read_text("utf-8")) | {"preparation": preparation}
    tokenizer = (folder / "tokenizer.json").read_text("utf-8")
    return Predictor.of((folder / "model.onnx").read_bytes(), tokenizer, settings)


@pytest.mark.parametrize("mask", [True, False])
def test_one_text_is_one_input_everywhere(tmp_path: Path, mask: bool) -> None:
    rows = [{"text": text, "label": "positive"} for text in TEXTS]
    reader = RowsReader(table_source(label="label"), rows, toy.LABELS)
    receipt = collect.collect(reader, tmp_path / "raw", mask=mask)  # type: ignore[arg-type]
    learnt = [record.text for record in parquet.read_texts(tmp_path / "raw" / "texts.parquet")]

    predictor = toy_predictor(tmp_path / "candidate", receipt.notes[PREPARATION])
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), "utf-8")
    served = [
        prepare_text(TextRequest(text, predictor.prepare.name), hashed=False, min_words=3, key=b"key")
        for text in TEXTS
    ]

    assert list(predictor.predict(TEXTS).cleaned) == learnt
    lines = read_lines(tmp_path / "texts.txt", None)  # type: ignore[arg-type]
    assert list(predictor.predict(lines).cleaned) == learnt
    assert [one.cleaned for one in served] == learnt
    assert predictor.predict(learnt).cleaned == predictor.predict(TEXTS).cleaned
    assert ("a@b.org" in "".join(learnt)) is not mask
    if mask:
        assert [one.fields.text for one in served] == learnt


def test_an_earlier_release_reads_as_it_learnt(tmp_path: Path) -> None:
    predictor = toy_predictor(tmp_path / "candidate", "")

    assert predictor.prepare == EARLIER
    assert predictor.predict(["soooooo @kite_27"]).cleaned == ("soooooo @kite_27",)
