"""How far the shares of labels hold on the test split, source by source: part of `make bench`.

Needs what `make run` leaves. Each source is a topic: windows of 400 texts and audit labels are drawn from its
test texts, and the truth is that of the window. Prints figures and judges none.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]
WINDOW, WORLDS, SEED = 400, 1000, 20
LABELLED = (100, 300)
KEYS = ("share", "raw", "mean_probability")


def main() -> None:
    """Draw windows and labels, and print coverage, width and error of every share."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "data" / "evaluation"
    if not (folder / "predictions.parquet").is_file():
        print("prevalence: no evaluation yet; type `make run`")
        return
    from pipeline.io import parquet

    columns = parquet.read_rows(folder / "predictions.parquet")
    sources = np.array(columns["source"])
    for labelled in LABELLED:
        print(f"\nprevalence, {labelled} audit labels a source, {WORLDS} windows of {WINDOW}, seed {SEED}")
        print("source    label      covered  width   error  of raw share  of mean probability")
        topics = {str(name): np.flatnonzero(sources == name) for name in np.unique(sources)}
        _print(_measure(columns, topics, labelled))


def _measure(columns: Any, topics: dict[str, Any], labelled: int) -> dict[str, Any]:
    from audited import LABELS
    from sources import label_texts, topic_texts

    from pipeline.base.config import PrevalenceConfig
    from pipeline.core.prevalence.estimator import PrevalenceEstimator
    from pipeline.core.prevalence.ppi import Population

    truth_N = np.array([LABELS.index(label) for label in columns["label"]])
    probabilities_NL = np.array([columns[f"p{row}"] for row in range(len(LABELS))]).T
    populations = {
        topic: Population(probabilities_NL[rows_N].mean(axis=0), 20_000.0) for topic, rows_N in topics.items()
    }
    random = np.random.default_rng(SEED)
    sums = {topic: np.zeros((5, len(LABELS))) for topic in topics}
    for _ in range(WORLDS):
        audited, windows = {}, {}
        for topic, rows_N in topics.items():
            chosen_N, windows[topic] = random.choice(rows_N, labelled), random.choice(rows_N, WINDOW)
            audited[topic] = label_texts(topic, truth_N[chosen_N], probabilities_NL[chosen_N])
        estimator = PrevalenceEstimator(
            LABELS, audited, populations, blocked={}, cfg=PrevalenceConfig(), confidence=0.95
        )
        for topic, window_N in windows.items():
            entries = estimator.topic(topic, topic_texts(probabilities_NL[window_N]))
            true_L = np.bincount(truth_N[window_N], minlength=len(LABELS)) / WINDOW
            for row, label in enumerate(LABELS):
                entry: Any = entries[label]
                errors = [(entry[key] - true_L[row]) ** 2 for key in KEYS]
                hit = entry["low"] <= true_L[row] <= entry["high"]
                sums[topic][:, row] += [hit, entry["high"] - entry["low"], *errors]
    return {topic: one / WORLDS for topic, one in sums.items()}


def _print(means: dict[str, Any]) -> None:
    from audited import LABELS

    for topic, values in means.items():
        for row, label in enumerate(LABELS):
            covered, width, *squares = values[:, row]
            ours, raw, mean = np.sqrt(squares)
            print(
                f"{topic:9} {label:10} {covered:7.3f}  {width:5.3f}  {ours:6.4f}  {raw:12.4f}  {mean:19.4f}"
            )
        ours, raw, mean = np.sqrt(values[2:].mean(axis=1))
        print(f"{topic:9} {'all labels':10} {'':7}  {'':5}  {ours:6.4f} {raw:13.4f} {mean:20.4f}")


if __name__ == "__main__":
    main()
