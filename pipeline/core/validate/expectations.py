"""The expectation suite of the data: Great Expectations over measures of every row."""

import dataclasses
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import ValidateConfig
from pipeline.base.data_account import DUPLICATE
from pipeline.base.records import TextRecord
from pipeline.base.tasks import SINGLE_LABEL, TaskName, answer_form
from pipeline.core.validate.measured_texts import FILLED, MeasuredTexts
from pipeline.core.validate.row_measures import share_interval

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation
    from pandas import DataFrame

COLUMNS = [field.name for field in dataclasses.fields(TextRecord)]
MEASURES = ("words", "residue", "in_language")


@dataclass(frozen=True)
class Check:
    """Hold the value that one expectation found, its limit, and both in a sentence; stored as JSON."""

    name: str
    passed: bool
    found: float
    limit: float
    sentence: str


@dataclass(frozen=True)
class _Rule:
    """Hold an expectation, its name, its limit (a minimum where `least`), and its key in params.yaml."""

    name: str
    limit: float
    expectation: "Expectation"
    least: bool = False
    key: str = ""
    note: str = ""


def check(
    kept: MeasuredTexts,
    reasons: Iterable[str],
    cfg: ValidateConfig,
    labels: Sequence[str],
    task: TaskName = SINGLE_LABEL,
) -> tuple[Check, ...]:
    """Check the clean texts and the reasons of the quarantined ones; return every check."""
    numbers = Counter(reasons)
    any_rows = len(kept) or numbers
    raw_checks = _run_suite(_raw_frame(len(kept), numbers), _raw_rules(cfg)) if any_rows else ()
    if not len(kept):
        # Without texts every other measure is undefined.
        counts = [f"{number} {reason}" for reason, number in numbers.most_common()]
        sentence = f"texts: no text is left ({', '.join(counts) or 'nothing was collected'})"
        return (Check("texts", False, 0, cfg.min_texts, sentence), *raw_checks)
    labels_of = {answer: answer_form(task).labels_of(answer) for answer in kept.measures.labels}
    frame = _text_frame(kept, cfg, labels, labels_of)
    rules = _text_rules(cfg, labels, labels_of, _language_note(frame))
    if answer_form(task).has_places and any(labels_of.values()):  # one will do: the rest has no label
        rules = [rule for rule in rules if rule.name != "labels"]
    return (*_run_suite(frame, rules), *raw_checks)


def _language_note(frame: "DataFrame") -> str:
    """Say on how many texts the share in a language rests, and its interval; empty where it rests on none."""
    judged = frame["in_language"].dropna()
    if judged.empty:
        return ""
    low, high = share_interval(float(judged.mean()), len(judged))
    return f"{len(judged):,} of {len(frame):,} texts judged, 95 % interval {low:.4g} to {high:.4g}"


def _text_frame(
    kept: MeasuredTexts, cfg: ValidateConfig, labels: Sequence[str], labels_of: Mapping[str, Sequence[str]]
) -> "DataFrame":
    """Return the columns of the texts as the suite needs them: whether a cell is filled, the key of an id."""
    import pandas

    measures, count = kept.measures, len(kept)
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        # To Great Expectations an empty string is a value, so it becomes a missing one: -1 as a category.
        empty_N = measures.is_empty(name) if name in FILLED else np.zeros(count, dtype=bool)
        columns[name] = pandas.Categorical.from_codes(-empty_N.astype(np.int8), categories=["filled"])
    columns["id"] = pandas.arrays.IntegerArray(measures.ids_N.view(np.int64), measures.is_empty("id"))
    columns["label"] = pandas.Categorical.from_codes(measures.label_numbers_N, categories=measures.labels)
    columns |= {"words": measures.words_N, "residue": measures.residue_N.astype(np.int8)}
    columns["in_language"] = _in_language(kept, cfg)
    for label in labels:
        having = [number for number, answer in enumerate(measures.labels) if label in labels_of[answer]]
        columns[_indicator(label)] = np.isin(measures.label_numbers_N, having).astype(np.int8)
    return pandas.DataFrame(columns)


def _in_language(kept: MeasuredTexts, cfg: ValidateConfig) -> NDArray[np.float64]:
    """Return 1.0 for the texts of the sample in `cfg.language`, 0.0 for others, NaN where it is unknown."""
    found_N = np.full(len(kept), np.nan)
    for row, detected in kept.languages.items():
        if detected.is_clear or kept.measures.words_N[row] >= cfg.language_min_words:
            found_N[row] = detected.code == cfg.language
    return found_N


def _raw_frame(kept: int, reasons: Mapping[str, int]) -> "DataFrame":
    import pandas

    duplicates = reasons.get(DUPLICATE, 0)
    sizes = (kept, duplicates, sum(reasons.values()) - duplicates)
    return pandas.DataFrame(
        {
            "duplicate": np.repeat(np.array([0, 1, 0], dtype=np.int8), sizes),
            "quarantined": np.repeat(np.array([0, 0, 1], dtype=np.int8), sizes),
        }
    )


def _text_rules(
    cfg: ValidateConfig, labels: Sequence[str], labels_of: Mapping[str, Sequence[str]], language_note: str
) -> list[_Rule]:
    import great_expectations.expectations as gxe

    text_count = gxe.ExpectTableRowCountToBeBetween(min_value=cfg.min_texts)
    longest = gxe.ExpectColumnMaxToBeBetween(column="words", max_value=cfg.max_words)
    rules = [
        *_schema_rules(labels, labels_of),
        _Rule("texts", cfg.min_texts, text_count, least=True, key="min_texts"),
        *(
            _at_least(f"share of label {label}", _indicator(label), cfg.min_label_share, "min_label_share")
            for label in labels
        ),
        _Rule("words of the longest text", cfg.max_words, longest, key="max_words"),
        _at_most("words of the mean text", "words", cfg.max_mean_words, "max_mean_words"),
        _at_most("share with HTML or mojibake left", "residue", cfg.max_residue_share, "max_residue_share"),
    ]
    # The language of a few words is undetermined; where all texts are so short, there is nothing to check.
    if language_note:
        name = f"share in language {cfg.language}"
        rule = _at_least(name, "in_language", cfg.min_language_share, "min_language_share")
        rules.append(dataclasses.replace(rule, note=language_note))
    return rules


def _schema_rules(labels: Sequence[str], labels_of: Mapping[str, Sequence[str]]) -> list[_Rule]:
    import great_expectations.expectations as gxe

    # All columns of the frame: the record's fields, then the measures.
    columns = [*COLUMNS, *MEASURES, *map(_indicator, labels)]
    joint = [one for one in labels_of if one not in labels and set(labels_of[one]) <= set(labels)]
    label_set = gxe.ExpectColumnValuesToBeInSet(column="label", value_set=[*labels, *joint])
    label_count = gxe.ExpectColumnUniqueValueCountToBeBetween(column="label", min_value=2)
    # Without labels a text may stand alone.
    filled = FILLED if labels else tuple(name for name in FILLED if name != "label")
    of_labels = [
        _Rule("label outside the set", 0, label_set),
        _Rule("labels", 2, label_count, least=True),
    ]
    return [
        _Rule("columns", 0, gxe.ExpectTableColumnsToMatchOrderedList(column_list=columns)),
        *(_Rule(f"empty {name}", 0, gxe.ExpectColumnValuesToNotBeNull(column=name)) for name in filled),
        _Rule("repeated id", 0, gxe.ExpectColumnValuesToBeUnique(column="id")),
        *(of_labels if labels else ()),
    ]


def _raw_rules(cfg: ValidateConfig) -> list[_Rule]:
    return [
        _at_most("share of duplicates", "duplicate", cfg.max_duplicate_share, "max_duplicate_share"),
        _at_most("share quarantined", "quarantined", cfg.max_quarantine_share, "max_quarantine_share"),
    ]


def _at_least(name: str, column: str, limit: float, key: str) -> _Rule:
    import great_expectations.expectations as gxe

    return _Rule(
        name, limit, gxe.ExpectColumnMeanToBeBetween(column=column, min_value=limit), least=True, key=key
    )


def _at_most(name: str, column: str, limit: float, key: str) -> _Rule:
    import great_expectations.expectations as gxe

    return _Rule(name, limit, gxe.ExpectColumnMeanToBeBetween(column=column, max_value=limit), key=key)


def _indicator(label: str) -> str:
    return f"is {label}"


def _run_suite(frame: "DataFrame", rules: Sequence[_Rule]) -> tuple[Check, ...]:
    """Run a suite in a fresh context: a name used twice in one context raises (great_expectations#10269)."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # It sets its level to INFO at import, and logs temporary folders.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas(name="frames").add_dataframe_asset(name="texts")
    batch = asset.add_batch_definition_whole_dataframe(name="all").get_batch(
        batch_parameters={"dataframe": frame}
    )
    suite = gx.ExpectationSuite(name="tone")
    for number, rule in enumerate(rules):
        rule.expectation.meta = {"number": number}
        suite.add_expectation(rule.expectation)
    # Great Expectations returns the results in another order.
    results = sorted(
        batch.validate(suite).results, key=lambda result: result.expectation_config.meta["number"]
    )
    return tuple(_to_check(rule, result) for rule, result in zip(rules, results, strict=True))


def _to_check(rule: _Rule, result: "ExpectationValidationResult") -> Check:
    value = result.result.get("unexpected_count", result.result.get("observed_value"))
    if isinstance(value, int | float) or hasattr(value, "item"):
        number = float(value)
    else:
        # A table with other columns, or a measure that could not be taken, has no number.
        number = 0.0 if result.success else math.nan
    sentence = f"{rule.name}: {_format(number)}, {_format_limit(rule)}"
    if rule.key:
        sentence += f" (validate.{rule.key})"
    if rule.note:
        sentence += f"; {rule.note}"
    return Check(rule.name, bool(result.success), number, rule.limit, sentence)


def _format_limit(rule: _Rule) -> str:
    if rule.limit == 0 and not rule.key:
        return "none is allowed"
    return f"{'at least' if rule.least else 'at most'} {_format(rule.limit)} required"


def _format(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) and number == int(number) else f"{number:.4g}"
