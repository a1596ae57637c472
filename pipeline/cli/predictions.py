"""Predictions as text for people."""

from typing import TYPE_CHECKING

from pipeline.cli.tables import table

if TYPE_CHECKING:
    from pipeline.inference.batch import ScoredTable
    from pipeline.inference.explain import ChampionExplanations
    from pipeline.inference.predict import ChampionPredictions


def predictions(result: "ChampionPredictions") -> str:
    """Write labels with their probabilities, which texts were cut, and the release that predicted them."""
    cells = [
        (
            row.label,
            " ".join(f"{label} {share:.3f}" for label, share in row.probabilities.items()),
            f"cut after {result.max_tokens} tokens" if row.cut else "",
        )
        for row in result.predictions
    ]
    return f"{table(cells)}\nrelease {result.release}, data {result.data_version}"


def scored(result: "ScoredTable") -> str:
    """Say what a scored table holds, and what in it is not as in the source."""
    labels = ", ".join(f"{label} {count:,}" for label, count in sorted(result.labels.items()))
    lines = [
        f"{result.out}: {result.rows:,} rows, {result.predicted:,} predicted from column {result.column!r}."
    ]
    if labels:
        lines.append(f"Labels: {labels}.")
    if result.without_text:
        lines.append(f"Without a text, kept without a prediction: {result.without_text:,}.")
    if result.cut:
        lines.append(f"Cut after {result.max_tokens} tokens: {result.cut:,}.")
    if result.escaped:
        lines.append(f"Cells that begin like a formula, written with a ' before them: {result.escaped:,}.")
    return "\n".join([*lines, f"release {result.release}, data {result.data_version}"])


def explained(result: "ChampionExplanations") -> str:
    """Write the label of each text, and below it its words with their importance."""
    unit = {"occlusion": "drop of the probability without the word", "gradients": "part of the logit"}
    parts = []
    for one in result.explanations:
        head = f"{one.label} {one.probabilities[one.label]:.3f}, importance of each word: {unit[one.method]}"
        rows = [(word.word, f"{word.weight:+.3f}") for word in one.words]
        more = [f"  and {one.further:,} more words"] if one.further else []
        parts += [head, table(rows, indent=2), *more]
    return "\n".join([*parts, f"release {result.release}, data {result.data_version}"])
