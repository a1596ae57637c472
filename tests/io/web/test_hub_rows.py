"""Data sets of a hub are streamed from a real server, in a process that knows no other hub."""

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hub_server import COMMIT, Files, HubServer, running_hub
from pydantic import ValidationError

from pipeline.base.config import CollectConfig, HubSource, Workspace
from pipeline.io.sources.source_reader import open_sources

COLUMNS = dict.fromkeys(("rating", "id", "group", "time", "split")) | {"text": "text", "label": "label"}
# Each source is read by itself: its rows, or its error.
READ = """
import json, sys
from pipeline.base.config import HubSource
from pipeline.base.errors import TonewatchError
from pipeline.io.web.hub_rows import hub_rows
for row in json.load(sys.stdin):
    try:
        rows = list(hub_rows(HubSource.model_validate(row["source"]), max_bytes=row["max_bytes"]))
        print(json.dumps({"rows": rows}), flush=True)
    except TonewatchError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)
"""
CARD = """---
dataset_info:
- config_name: plain
  features:
  - {name: text, dtype: string}
  - {name: label, dtype: {class_label: {names: {'0': negative, '1': positive}}}}
configs:
- config_name: plain
  default: true
  data_files:
  - {split: train, path: plain/train.csv}
  - {split: test, path: plain/test.csv}
- config_name: raw
  data_files:
  - {split: train, path: raw/train.csv.gz}
- config_name: mixed
  data_files:
  - {split: train, path: raw/train.jsonl}
- config_name: header
  data_files:
  - {split: train, path: raw/header.csv}
---
"""


def table() -> bytes:
    """Return a Parquet file as the hub holds it: labels are numbers, with their names in its metadata."""
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["negative", "positive"], "_type": "ClassLabel"},
        "picture": {"_type": "Image"},
    }
    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    columns = {
        "text": pyarrow.array(["so good", "so bad", "who knows"]),
        "label": pyarrow.array([1, 0, -1], pyarrow.int64()),
        "picture": pyarrow.array([{"bytes": b"no picture", "path": None}] * 3, picture),
    }
    made = pyarrow.table(columns).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    out = io.BytesIO()
    pyarrow.parquet.write_table(made, out)
    return out.getvalue()


DATASETS: dict[str, Files] = {
    "ada/moods": {"data/train-00000-of-00001.parquet": table(), "README.md": b"moods"},
    "ada/plain": {
        "README.md": CARD.encode(),
        "plain/train.csv": b"text,label\nso good,1\nso bad,0\n",
        "plain/test.csv": b"text,label\nso so,0\n",
        "raw/train.csv.gz": gzip.compress(b"text,label\nraw,1\n"),
        "raw/train.jsonl": b'{"text": "raw", "label": 1}\n',
        "raw/header.csv": b"text,label\n",
    },
    "ada/script": {"script.py": b"open('/tmp/canary', 'w')", "README.md": b"made by a script"},
    "ada/pictures": {"data/one.png": b"\x89PNG", "data/two.png": b"\x89PNG"},
    "ada/empty": {"README.md": b"nothing"},
    "ada/broken": {"data/train.parquet": b"PAR1 no table PAR1"},
}


def declare(dataset: str = "ada/moods", **changes: Any) -> dict[str, Any]:
    row = {"kind": "hub", "name": "moods", "dataset": dataset, "splits": ["train"], "revision": COMMIT}
    row |= {"columns": COLUMNS, "group_pattern": None, "ratings": None, "label_map": {}, "lang": "en"}
    return row | {"licence": "own"} | changes


CASES: dict[str, dict[str, Any]] = {
    "parquet": declare(),
    "two splits": declare("ada/plain", splits=["train", "test"]),
    "another configuration": declare("ada/plain", config="raw"),
    "mixed": declare("ada/plain", config="mixed"),
    "no rows": declare("ada/plain", config="header"),
    "no such configuration": declare("ada/plain", config="none"),
    "no such split": declare(splits=["train", "dev"]),
    "gone": declare("ada/gone"),
    "no such revision": declare(revision="f" * 40),
    "script": declare("ada/script"),
    "pictures": declare("ada/pictures"),
    "empty": declare("ada/empty"),
    "broken": declare("ada/broken"),
    "large": declare(),
}


def read_all(folder: Path, url: str, cases: dict[str, dict[str, Any]], **variables: str) -> dict[str, Any]:
    """Read sources in a process whose only hub is at `url`."""
    environment = os.environ | {"HF_ENDPOINT": url, "HF_HOME": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1"}
    given = [{"source": one, "max_bytes": 5 if name == "large" else 10_000} for name, one in cases.items()]
    ran = subprocess.run(
        [sys.executable, "-c", READ],
        input=json.dumps(given),
        env=environment | variables,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    return dict(zip(cases, map(json.loads, lines), strict=True))


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with running_hub(DATASETS) as hub:
        yield hub


@pytest.fixture(scope="module")
def outcomes(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return read_all(tmp_path_factory.mktemp("hub"), hub.url, CASES)


def test_names_of_labels_are_labels_and_other_columns_are_not_read(outcomes: dict[str, Any]) -> None:
    assert outcomes["parquet"]["rows"] == [
        {"text": "so good", "label": "positive"},
        {"text": "so bad", "label": "negative"},
        {"text": "who knows", "label": ""},
    ]


def test_splits_and_configurations_of_a_card_are_read(outcomes: dict[str, Any]) -> None:
    assert [row["text"] for row in outcomes["two splits"]["rows"]] == ["so good", "so bad", "so so"]
    assert {row["label"] for row in outcomes["two splits"]["rows"]} == {"positive", "negative"}
    assert [row["text"] for row in outcomes["another configuration"]["rows"]] == ["raw"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no such configuration", "DataRejected", "Correct `config`"),
        ("mixed", "DataRejected", "the library reads train.jsonl as csv"),
        ("no rows", "DataRejected", "the split train holds no rows"),
        ("no such split", "DataRejected", "has no split 'dev' (Available splits: ['train'])"),
        ("gone", "SourceUnreachable", "is not there, or not for everyone"),
        ("no such revision", "SourceUnreachable", "Correct `dataset` and `revision`"),
        ("script", "DataRejected", "no code of a data set is run"),
        ("pictures", "DataRejected", "only Parquet, CSV and JSON are read"),
        ("empty", "DataRejected", "holds no Parquet, CSV or JSON files"),
        ("broken", "SourceUnreachable", "cannot be read"),
        ("large", "DataRejected", "Raise `collect.max_megabytes`"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_next_step(
    outcomes: dict[str, Any], name: str, error: str, message: str
) -> None:
    assert outcomes[name].get("error") == error, outcomes[name]
    assert message in outcomes[name]["message"]
    assert not Path("/tmp/canary").exists()


@pytest.mark.slow
def test_without_a_hub_the_error_says_what_to_do(hub: HubServer, tmp_path: Path) -> None:
    gone = {"parquet": declare()}
    away = read_all(tmp_path, "http://127.0.0.1:9", gone)["parquet"]
    offline = read_all(tmp_path, hub.url, gone, HF_HUB_OFFLINE="1")["parquet"]

    assert (away["error"], offline["error"]) == ("SourceUnreachable", "SourceUnreachable")
    assert "Check the network and HF_ENDPOINT" in away["message"]
    assert "unset HF_HUB_OFFLINE" in offline["message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": "main"}, "revision is no commit"),
        ({"revision": COMMIT[:7]}, "revision is no commit"),
        ({"dataset": "csv"}, "dataset"),
        ({"dataset": "../a/b"}, "dataset"),
        ({"splits": []}, "splits"),
        ({"splits": ["train[:10%]"]}, "splits"),
    ],
)
def test_a_source_that_is_not_pinned_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HubSource.model_validate(declare(**changes))


def test_what_is_pinned_is_the_identity(tmp_path: Path) -> None:
    cfg = {"max_megabytes": 1, "labels": ["positive", "negative"], "sources": [declare()]}
    reader = open_sources(Workspace.of(tmp_path, {}), CollectConfig.model_validate(cfg))
    other = HubSource.model_validate(declare(revision="f" * 40))

    assert reader.identity(reader.sources[0]) == reader.identity(HubSource.model_validate(declare()))
    assert reader.identity(reader.sources[0]) != reader.identity(other)
