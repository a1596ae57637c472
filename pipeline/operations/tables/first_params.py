"""The params.yaml of a workspace around one table, filled in by what the table holds."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.config.parsing import split_sections
from pipeline.base.errors import DataRejected
from pipeline.base.tasks import GENERATION, TOKEN_LABELS, TaskName
from pipeline.io.params_file import fill_params
from pipeline.operations.tables.inspection import TOKEN_LENGTHS, TOKENS_A_WORD, TableInspection
from pipeline.operations.workspace import init_workspace, params_of

PRESET = "csv"
COLLECT_BYTES = 1_000_000
# Fields of `columns` that each source names, null where there is no column; the others only where there is.
ALWAYS = ("text", "label", "rating", "id", "group", "time", "split")
FURTHER = ("raters", "topic", "lang", "target", "spans", "reference")
FEWEST_LABELS: dict[TaskName, int] = {TOKEN_LABELS: 1, GENERATION: 0}
ENGLISH = "en"
# As in the preset.
MAX_WORDS = 400


@dataclass(frozen=True)
class FirstParams:
    """Hold the text of a params.yaml, and sentences about the limits that were fitted to the table."""

    text: str
    fitted: tuple[str, ...]


def init_from_table(folder: Path, inspection: TableInspection) -> FirstParams:
    """Make a workspace whose params.yaml reads the inspected table.

    Raises DataRejected for a table without labels, UsageError for a folder that is a workspace already.
    """
    params = first_params(inspection, folder)
    init_workspace(folder, PRESET, params=params.text)
    return params


def first_params(inspection: TableInspection, folder: Path) -> FirstParams:
    """Return the params.yaml that reads the inspected table from a workspace in `folder`.

    Raises DataRejected for a table that has fewer than two labels.
    """
    labels = inspection.labels.labels
    if len(labels) < FEWEST_LABELS.get(inspection.task, 2):
        where = "no column of labels" if not inspection.label_column else f"{len(labels)} label"
        raise DataRejected(
            f"{inspection.path} has {where}, and a model needs two. "
            + next(
                (one for one in inspection.doubts if "labels-from" in one),
                "Name another table, or `--labels`.",
            )
        )
    values, fitted = _limits(inspection)
    sections = split_sections(params_of(PRESET))
    sections["collect"] = _collect(inspection, folder)
    sections = {name: re.sub(r" *# EDIT:? ?", "  # ", section) for name, section in sections.items()}
    sections[""] = sections.get("", "")
    text = "".join(sections.values()).replace(
        "# Lines marked EDIT are yours to fill in, the columns and labels under `collect` first; then type "
        "`tonewatch run`.\n",
        f"# Filled in by what {inspection.path.name} holds: read `collect`, then type `tonewatch run`.\n",
    )
    return FirstParams(fill_params(text, values), tuple(fitted))


def _collect(inspection: TableInspection, folder: Path) -> str:
    """Return the section `collect`."""
    megabytes = max(400, 4 * inspection.path.stat().st_size // COLLECT_BYTES)
    lines = [
        "collect:",
        f"  max_megabytes: {megabytes}          # the largest file that may be read",
        f"  labels: {_flow(inspection.labels.labels)} # in the order in which results show them",
        "  sources:",
        f"    - kind: {inspection.shape.kind}",
        f"      name: {_source_name(inspection.path)}",
        f"      path: {_scalar(_place(inspection.path, folder))}",
    ]
    if inspection.labels_path is not None:
        place = _scalar(_place(inspection.labels_path, folder))
        lines.append(f"      labels_path: {place} # line by line the labels of those texts")
    lines += [f"      {line}" for line in _dialect(inspection)]
    lines.append(f"      columns: {_columns(inspection)}")
    lines.append("      group_pattern: null")
    cuts = inspection.cuts
    ratings = "null" if cuts is None else f"{{negative_to: {cuts[0]:g}, positive_from: {cuts[1]:g}}}"
    lines.append(f"      ratings: {ratings}")
    if inspection.decimal:
        lines.append(f"      decimal: {_scalar(inspection.decimal)}")
    if inspection.label_separator:
        lines.append(f"      label_separator: {_scalar(inspection.label_separator)}")
    renames = ", ".join(f"{_scalar(k)}: {_scalar(v)}" for k, v in inspection.labels.label_map.items())
    lines.append(f"      label_map: {{{renames}}} # labels of the file to those above")
    lines.append(f"      lang: {inspection.language}")
    lines.append("      licence: unknown        # on what terms you may use the texts")
    return "\n".join([*lines, *_recorded(), "", ""])


def _recorded() -> list[str]:
    """Return the lines of the preset for feedback and replay."""
    section = split_sections(params_of(PRESET))["collect"].rstrip("\n").splitlines()
    return section[next(place for place, line in enumerate(section) if "true label" in line) :]


def _dialect(inspection: TableInspection) -> list[str]:
    """Return the keys that say how the file is written."""
    shape, lines = inspection.shape, []
    if shape.member:
        lines.append(f"member: {_scalar(shape.member)}")
    if shape.sheet:
        lines.append(f"sheet: {_scalar(shape.sheet)}")
    if shape.encoding:
        lines.append(f"encoding: {shape.encoding}")
    dialect = shape.dialect
    if dialect is None:
        return lines
    if dialect.delimiter:
        quote = (
            "null # quotes are characters of the text" if dialect.quote is None else _scalar(dialect.quote)
        )
        lines += [f"delimiter: {_scalar(dialect.delimiter)}", f"quote: {quote}"]
        lines.append(f"escape: {'null' if dialect.escape is None else _scalar(dialect.escape)}")
    header = _flow(inspection.header) + " # the file names none" if inspection.header else "true"
    return [*lines, f"header: {header}", f"skip_rows: {dialect.skip_rows}"]


def _columns(inspection: TableInspection) -> str:
    columns = inspection.columns
    pairs = [(name, columns.get(name)) for name in ALWAYS]
    pairs += [(name, columns[name]) for name in FURTHER if name in columns]
    cells = [f"{name}: {'null' if column is None else _scalar(column)}" for name, column in pairs]
    if inspection.one_hot:
        cells.append(f"labels: {_flow(inspection.one_hot)}")
    return "{" + ", ".join(cells) + "}"


def _limits(inspection: TableInspection) -> tuple[dict[str, object], list[str]]:
    """Return values of other sections that fit the table, and a sentence for each."""
    values: dict[str, object] = {"task": inspection.task, "validate.language": inspection.language}
    fitted = []
    for keys, sentence in (*_limits_of_labels(inspection), *_limits_of_texts(inspection)):
        values |= keys
        fitted.append(sentence)
    return values, fitted


def _limits_of_labels(inspection: TableInspection) -> Iterator[tuple[dict[str, object], str]]:
    if inspection.rows < 80:
        least = max(10, inspection.rows // 2)
        yield (
            {"validate.min_texts": least},
            f"validate.min_texts is {least}: the table has {inspection.rows} rows.",
        )
    counts = inspection.labels.counts
    if not counts:
        return
    rarest = min(counts, key=lambda label: counts[label])
    share = counts[rarest] / max(1, sum(counts.values()))
    if share < 0.02:
        value = round(share / 2, 5)
        sentence = f"validate.min_label_share is {value:g}: {rarest} has {share:.1%} of the texts."
        yield {"validate.min_label_share": value}, sentence


def _limits_of_texts(inspection: TableInspection) -> Iterator[tuple[dict[str, object], str]]:
    texts, tokens = inspection.texts, inspection.max_tokens
    if texts.max_words > MAX_WORDS:
        words = -(-texts.max_words * 12 // 1000) * 100
        keys = ("clean.max_words", "validate.max_words", "validate.max_mean_words")
        yield (
            dict.fromkeys(keys, words),
            f"{', '.join(keys)} are {words}: the longest text has {texts.max_words} words.",
        )
    if tokens > TOKEN_LENGTHS[0]:
        yield (
            {"encoder.max_tokens": tokens},
            f"encoder.max_tokens is {tokens}: one text in twenty has more than {texts.p95_words} words; what "
            f"is longer is cut. Training takes {tokens // TOKEN_LENGTHS[0]} times as long as with 64.",
        )
    if words := inspection.answer_words:
        # With the token that ends it.
        answer = math.ceil(words * TOKENS_A_WORD) + 1
        yield (
            {"encoder.answer_tokens": answer},
            f"encoder.answer_tokens is {answer}: the longest {inspection.columns['reference']} has "
            f"{words} words.",
        )
    if inspection.language not in (ENGLISH, "und"):
        yield (
            {"encoder.start": "scratch"},
            f"encoder.start is scratch: the texts are {inspection.language}, which the English encoder does "
            "not know.",
        )


def _place(path: Path, folder: Path) -> str:
    """Return a file's path in params.yaml: relative inside the workspace, else absolute."""
    path, folder = path.resolve(), folder.resolve()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _source_name(path: Path) -> str:
    stem = path.name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "texts"


def _flow(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(map(_scalar, values)) + "]"


def _scalar(value: str) -> str:
    """Return a string as YAML reads it back: `no`, `1` and `null` in quotes."""
    plain = re.fullmatch(r"[^\W\d_][\w.-]*( [\w.-]+)*", value) and value.isprintable()
    reserved = value.lower() in ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf")
    return value if plain and not reserved else json.dumps(value, ensure_ascii=False)
