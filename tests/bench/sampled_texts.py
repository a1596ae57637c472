"""A sample of the training texts and the scores of a classifier on the validation split, for the benches."""

import hashlib
from pathlib import Path
from typing import Any


def take(splits: Path, out: Path, texts: int | None) -> tuple[int, list[Any]]:
    """Copy the splits, of the training texts so many by a hash of their id.

    Returns their number and the validation texts.
    """
    from pipeline.base.records import Receipt
    from pipeline.io import files, parquet

    train = parquet.read_texts(splits / "train.parquet")
    train = sorted(train, key=lambda one: hashlib.sha256(one.id.encode()).hexdigest())[:texts]
    valid = parquet.read_texts(splits / "valid.parquet")
    with files.staging_dir(out) as staging:
        parquet.write_texts(staging / "train.parquet", train)
        parquet.write_texts(staging / "valid.parquet", valid)
        files.write_receipt(staging, Receipt("split"))
    return len(train), valid


def confusion(classifier: Path, valid: list[Any], params: Any) -> Any:
    """Return the confusion matrix of each group of the validation texts: GLL."""
    from safetensors.torch import load

    from pipeline.core.evaluate.metrics import confusion_by_group
    from pipeline.core.model.heads import trained_classifier
    from pipeline.core.model.tokenizer import encode, load_tokenizer
    from pipeline.core.train.objectives import predict_labels
    from pipeline.io import files

    labels = params.collect.labels
    document = (classifier / "tokenizer.json").read_text("utf-8")
    tokenizer = load_tokenizer(document, params.encoder.max_tokens)
    tokens = encode(tokenizer, [one.text for one in valid], params.encoder.long_texts)
    weights = load((classifier / "model.safetensors").read_bytes())
    model = trained_classifier(files.read_json(classifier / "config.json"), weights)
    truth = [labels.index(one.label) for one in valid]
    groups = [one.group for one in valid]
    return confusion_by_group(truth, predict_labels(model, tokens).tolist(), groups, labels=len(labels))


def macro_f1(counts: list[Any], params: Any) -> tuple[float, tuple[float, float]]:
    """Return the mean macro F1 over trainings of other seeds, and its interval over groups of texts."""
    mean, resampled = _resampled(counts, params)
    return mean, _interval(resampled, params)


def gain(counts: list[Any], others: list[Any], params: Any) -> tuple[float, tuple[float, float]]:
    """Return how much more macro F1 trainings have than others of the same seeds, and its paired interval."""
    one, other = (_resampled(each, params) for each in (counts, others))
    return one[0] - other[0], _interval(one[1] - other[1], params)


def _resampled(counts: list[Any], params: Any) -> tuple[float, Any]:
    """Return the mean over trainings of macro F1, and of each of its resampled values."""
    import numpy as np

    from pipeline.core.evaluate import metrics
    from pipeline.core.evaluate.bootstrap import bootstrap_sums

    means, resampled = [], []
    for counts_GLL in counts:
        occurs_L = counts_GLL.sum(axis=(0, 2)) > 0
        means.append(float(metrics.macro_f1(counts_GLL.sum(axis=0)[None], occurs_L)[0]))
        # Equal draws for all, so that trainings are compared on the same texts.
        sums = bootstrap_sums(counts_GLL, resamples=params.evaluate.resamples, seed=params.seed)
        resampled.append(metrics.macro_f1(sums, occurs_L))
    return float(np.mean(means)), np.mean(resampled, axis=0)


def _interval(values: Any, params: Any) -> tuple[float, float]:
    from pipeline.core.evaluate.bootstrap import percentile_interval

    return percentile_interval(values, confidence=params.evaluate.confidence)
