"""Workspaces whose release gives a text several labels, or finds entities: one word a thing, and no training.

The model of each is a table: a word has labels, or is an entity of one. Texts are words with blanks between.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import running_service
import toy
import yaml
from onnx import TensorProto, helper, numpy_helper

from pipeline.base.config import Workspace
from pipeline.base.documents.audit import AuditLabel
from pipeline.base.records import JournalEntry, Receipt
from pipeline.base.tasks import join_labels
from pipeline.base.tasks.names import MULTI_LABEL, TOKEN_LABELS, TaskName
from pipeline.base.tasks.spans import Span, dump_spans
from pipeline.base.times import format_micros, format_seconds
from pipeline.core.model.opened import open_predictor
from pipeline.inference.champion import LoadedRelease
from pipeline.inference.load import load_predictor
from pipeline.io import files, parquet
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.monitoring.reference import TABLE, ReleaseReference
from pipeline.monitoring.windows.samples import answer_columns

EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
LABELS: Mapping[str, tuple[str, ...]] = {
    MULTI_LABEL: ("food", "service", "price"),
    TOKEN_LABELS: ("person", "place"),
}
WORDS: Mapping[str, Mapping[str, str]] = {
    MULTI_LABEL: {"soup": "food", "bread": "food", "waiter": "service", "bill": "price", "monday": ""},
    TOKEN_LABELS: {"Ann": "person", "Bo": "person", "Lima": "place", "Oslo": "place", "nobody": ""},
}
# Further entries of the vocabulary, which are nothing.
FILLERS = tuple(f"w{number}" for number in range(40))
SURE = 4.0


def make(root: Path, task: TaskName, **watch: Any) -> Workspace:
    """Make a workspace of a task without a release; `watch` are keys of that section of params.yaml."""
    params = yaml.safe_load((running_service.CHECKOUT / "params.yaml").read_text("utf-8"))
    columns = dict.fromkeys(("rating", "id", "group", "time", "split"))
    columns |= {"text": "text", "label": None, "spans": "spans"} if task == TOKEN_LABELS else {}
    columns |= {"text": "text", "label": "label"} if task == MULTI_LABEL else {}
    source = {"kind": "csv", "name": "texts", "path": "texts.csv", "columns": columns, "label_map": {}}
    source |= {"ratings": None, "group_pattern": None, "lang": "en", "licence": "unknown"}
    params["task"] = task
    params["collect"] |= {"labels": list(LABELS[task]), "sources": [source]}
    params["finetune"]["targets"] = "labels"
    params["evaluate"] |= {"vader_thresholds": None}
    params["evaluate"]["behaviour"] = {"max_cases": 1, "words": {}, "abilities": []}
    params["gate"]["abilities"] = {}
    params["watch"] |= {"min_texts": 40, "resamples": 200} | watch
    # Of an hour about twelve are drawn.
    params["watch"]["audit"] |= {"per_topic_per_day": 288, "second_opinion": 0.0}
    params["serve"] |= running_service.SERVE
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / ".tonewatch").mkdir(exist_ok=True)
    return Workspace.of(root, {})


def add_release(
    workspace: Workspace,
    task: TaskName,
    changed: Mapping[str, str] | None = None,
    *,
    accuracy: float = 0.9,
    preparation: str = "2-masked",
) -> str:
    """Put a release in service; `changed` are words that it takes for something else."""
    folder, labels = workspace.root / "data" / "candidate", LABELS[task]
    words = {**WORDS[task], **dict.fromkeys(FILLERS, ""), **(changed or {})}
    _candidate(folder, task, words, preparation)
    evaluation = {
        "macro_f1": 0.9,
        "task": task,
        "labels": list(labels),
        "confusion": [],
        "intervals": {"accuracy": [accuracy - 0.02, accuracy + 0.02]},
    }
    ledger = Ledger(workspace.ledger)
    number = len(ledger.releases()) + 1
    record = {
        "identity": f"{number}",
        "data_version": "v1",
        "model_version": number,
        "evaluation": evaluation,
        "intervals": evaluation["intervals"],
        "files": release_files.release_digests(files.folder_digests(folder), evaluation),
        "decision": {"accepted": True},
        "approval": "none",
        "params": "",
    }
    release = ledger.add(record)
    release_files.keep_local_copy(workspace, release.record)
    running_service.promote(workspace, release.name)
    return release.name


def loaded(workspace: Workspace, name: str) -> LoadedRelease:
    """Load a release as the service does."""
    record = Ledger(workspace.ledger).get(name).record
    folder = release_files.verified_copy(workspace, record)
    predictor = load_predictor(folder)
    digest = record["files"]["model.onnx"]
    return LoadedRelease(name, "v1", digest, predictor.labels, predictor, folder, predictor.task)


def journal(
    workspace: Workspace, name: str, texts: Sequence[str], *, hour: float = 0.5, topic: str = "cafe"
) -> list[JournalEntry]:
    """Journal a release's predictions of texts in some hour after EIGHT, each in a request of its own."""
    predictions = loaded(workspace, name).predictor.predict(texts)
    when = EIGHT + timedelta(hours=hour)
    entries = [
        JournalEntry(
            request=request_id(when),
            position=0,
            time=format_micros(when + timedelta(milliseconds=row)),
            text=text,
            digest=hashlib.sha256(text.encode()).hexdigest(),
            label=predictions.labels[row],
            uncertain=False,
            probabilities=tuple(predictions.probabilities[row].tolist()),
            release=name,
            data_version="v1",
            client="shop",
            topic=topic,
            lang="",
            words=len(text.split()),
            unknown=predictions.unknown[row],
        )
        for row, text in enumerate(texts)
    ]
    stored = Journal(workspace.journal, retention_days=90)
    stored.append(entries)
    stored.close()
    return entries


def at(hours: float) -> str:
    """Return the time so many hours after EIGHT."""
    return format_seconds(EIGHT + timedelta(hours=hours))


def mixed(
    task: TaskName, count: int, *, seed: int = 20, shares: Mapping[str, float] | None = None
) -> list[str]:
    """Draw texts: each word of the task is in a text with its share, by default 0.3, among fillers."""
    random = np.random.default_rng(seed)
    texts = []
    for number in range(count):
        words = [word for word in WORDS[task] if random.random() < (shares or {}).get(word, 0.3)]
        words += [FILLERS[place] for place in random.integers(len(FILLERS), size=4)]
        words.insert(0, f"x{number}")
        random.shuffle(words)
        texts.append(" ".join(words))
    return texts


def truth_of(task: TaskName, text: str, *, missed: Sequence[str] = ()) -> list[tuple[int, int, str]]:
    """Return what is true of a text: where each word of a label stands, but for those that are missed."""
    found, start = [], 0
    for word in text.split(" "):
        if (label := WORDS[task].get(word, "")) and word not in missed:
            found.append((start, start + len(word), label))
        start += len(word) + 1
    return found


def replaced(entries: Sequence[JournalEntry], **changes: Any) -> list[JournalEntry]:
    """Return entries with other values."""
    return [dataclasses.replace(entry, **changes) for entry in entries]


def _candidate(folder: Path, task: TaskName, words: Mapping[str, str], preparation: str) -> None:
    labels = LABELS[task]
    ids = {"[PAD]": 0, "[UNK]": 1, **{word: number for number, word in enumerate(words, start=2)}}
    settings: dict[str, Any] = {
        "task": task,
        "labels": list(labels),
        "max_tokens": 32,
        "variant": "fp32",
        "temperature": 1.0,
        "uncertain": 0.0,
        "teacher": "p" * 64,
        "preparation": preparation,
    }
    model = _token_model(ids, words, labels) if task == TOKEN_LABELS else _text_model(ids, words, labels)
    tokenizer = toy._tokenizer(ids)
    predictor = open_predictor(model, tokenizer, settings)
    with files.staging_dir(folder) as staging:
        files.write_bytes(staging / "model.onnx", model)
        files.write_bytes(staging / "tokenizer.json", tokenizer.encode())
        files.write_json(staging / "model.json", settings)
        golden = list(words)[: toy.GOLDEN_WORDS]
        probabilities = predictor.predict(golden).probabilities.tolist()
        files.write_json(staging / "golden.json", {"texts": golden, "probabilities": probabilities})
        files.write_json(staging / "menu.json", toy._menu({}))
        files.write_receipt(staging, Receipt("compress"))


def _text_model(ids: Mapping[str, int], words: Mapping[str, str], labels: Sequence[str]) -> bytes:
    # A text has a label where one of its words says so: the largest weight, and not the sum.
    weights = np.full((len(ids), len(labels)), -SURE, dtype=np.float32)
    for word, label in words.items():
        if label:
            weights[ids[word], labels.index(label)] = SURE
    nodes = [
        helper.make_node("Gather", ["weights", "tokens"], ["looked_up"], axis=0),
        helper.make_node("ReduceMax", ["looked_up"], ["logits"], axes=[1], keepdims=0),
    ]
    return _model(nodes, weights, [("logits", ["texts", len(labels)])])


def _token_model(ids: Mapping[str, int], words: Mapping[str, str], labels: Sequence[str]) -> bytes:
    weights = np.zeros((len(ids), 1 + 2 * len(labels)), dtype=np.float32)
    weights[:, 0] = SURE
    for word, label in words.items():
        if label:
            weights[ids[word]] = 0
            weights[ids[word], 1 + 2 * labels.index(label)] = 2 * SURE
    nodes = [
        helper.make_node("Gather", ["weights", "tokens"], ["token_logits"], axis=0),
        helper.make_node("ReduceMean", ["token_logits"], ["pooled"], axes=[1], keepdims=0),
    ]
    tags = weights.shape[1]
    return _model(nodes, weights, [("token_logits", ["texts", "width", tags]), ("pooled", ["texts", tags])])


def _model(nodes: list[Any], weights: Any, outputs: Sequence[tuple[str, list[Any]]]) -> bytes:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "width"])
        for name in ("tokens", "mask")
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs]
    graph = helper.make_graph(nodes, "toy", inputs, values, [numpy_helper.from_array(weights, "weights")])
    opsets = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def write_reference(workspace: Workspace, name: str, texts: Sequence[str]) -> None:
    """Write the reference of a release from these texts, as if they were its test texts."""
    predictor, record = loaded(workspace, name).predictor, Ledger(workspace.ledger).get(name).record
    release, found = ReleaseReference(workspace, record), predictor.predict(texts)
    columns: dict[str, Any] = {
        "source": ["texts"] * len(texts),
        "request": [f"t{row}" for row in range(len(texts))],
        "position": [0] * len(texts),
        **answer_columns(release.form, found.labels, found.probabilities, release.labels),
        "words": [len(text.split()) for text in texts],
        "unknown": list(found.unknown),
        "lang": [release.language(text) for text in texts],
        "embedding": predictor.embed(texts).tolist(),
    }
    with files.staging_dir(workspace.windows / f"reference-{name}") as staging:
        parquet.write_rows(staging / TABLE, columns)
        files.write_receipt(staging, Receipt("watch", counts={"texts": len(texts)}))


def answer_of(task: TaskName, text: str, *, missed: Sequence[str] = ()) -> str:
    """Return what is true of a text as an answer of the task."""
    found = truth_of(task, text, missed=missed)
    if task == TOKEN_LABELS:
        return dump_spans(Span(*one) for one in found)
    has = {label for _, _, label in found}
    return join_labels([label for label in LABELS[task] if label in has])


def audited(
    task: TaskName, entries: Sequence[JournalEntry], *, hour: float, inclusion: float = 0.5
) -> list[AuditLabel]:
    """Return the audit labels of predictions, each given in this hour, a cluster of its own."""
    return [
        AuditLabel(
            request=entry.request,
            position=entry.position,
            time=entry.time,
            topic=entry.topic,
            release=entry.release,
            cluster=entry.digest,
            predicted=entry.label,
            probabilities=entry.probabilities,
            label=answer_of(task, entry.text),
            inclusion=inclusion,
            annotator="ada",
            labelled_at=at(hour),
        )
        for entry in entries
    ]


def stored(workspace: Workspace) -> list[JournalEntry]:
    """Return what the journal holds."""
    return list(Journal.reading(workspace.journal).predictions("", "9999"))


def set_audit(workspace: Workspace, **values: Any) -> None:
    """Change values of `watch.audit` in params.yaml."""
    params = yaml.safe_load(workspace.params.read_text("utf-8"))
    params["watch"]["audit"] |= values
    workspace.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
