"""The suite that says whether the texts may be trained on: Great Expectations over flags that we measure per row."""

import dataclasses
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import ValidateConfig
from pipeline.base.records import TextRecord
from pipeline.core.clean.duplicates import DUPLICATE
from pipeline.core.clean.faults import count_words
from pipeline.core.validate.row_measures import in_language, residues

COLUMNS = [field.name for field in dataclasses.fields(TextRecord)]
FILLED = ("id", "text", "label", "source", "group", "lang", "licence")
TRAITS = ("words", "residue", "in_language")


@dataclass(frozen=True)
class Check:
    """Hold one answer of the suite: what was found, the limit, and both in a sentence."""

    name: str
    passed: bool
    found: float
    limit: float
    sentence: str


@dataclass(frozen=True)
class _Rule:
    """Join an expectation to the words that explain it; `least` says which way the limit points."""

    name: str
    limit: float
    expectation: Any
    least: bool = False
    key: str = ""


def check(
    kept: Sequence[TextRecord], reasons: Sequence[str], cfg: ValidateConfig, labels: Sequence[str]
) -> tuple[Check, ...]:
    """Judge the texts that were kept and the reasons why the others were not; give every answer, good and bad."""
    answers = _judge(_raw_frame(len(kept), reasons), _raw_rules(cfg)) if kept or reasons else ()
    if not kept:
        # With no text at all every other measure is undefined, and one plain sentence says more than ten.
        why = (
            ", ".join(f"{number} {reason}" for reason, number in Counter(reasons).most_common())
            or "nothing was collected"
        )
        return (Check("texts", False, 0, cfg.min_texts, f"texts: no text is left ({why})"), *answers)
    frame = _text_frame(kept, cfg, labels)
    return (
        *_judge(frame, _text_rules(cfg, labels, judged=bool(frame["in_language"].notna().any()))),
        *answers,
    )


def _text_frame(kept: Sequence[TextRecord], cfg: ValidateConfig, labels: Sequence[str]) -> Any:
    import pandas

    columns: dict[str, list[Any]] = {name: [getattr(record, name) for record in kept] for name in COLUMNS}
    # To Great Expectations an empty string is a value; to us it is none.
    columns |= {name: [value or None for value in columns[name]] for name in FILLED}
    columns["words"] = [count_words(record.text) for record in kept]
    columns["residue"] = [float(left) for left in residues(kept)]
    columns["in_language"] = in_language(kept, cfg)
    columns |= {_indicator(label): [float(record.label == label) for record in kept] for label in labels}
    return pandas.DataFrame(columns).astype({"in_language": "float64"})


def _raw_frame(kept: int, reasons: Sequence[str]) -> Any:
    import pandas

    all_reasons = [*reasons, *[""] * kept]
    return pandas.DataFrame(
        {
            "duplicate": [float(reason == DUPLICATE) for reason in all_reasons],
            "quarantined": [float(reason not in ("", DUPLICATE)) for reason in all_reasons],
        }
    )


def _text_rules(cfg: ValidateConfig, labels: Sequence[str], *, judged: bool) -> list[_Rule]:
    import great_expectations.expectations as gxe

    # The frame's columns in full: the schema, then what was measured beside it.
    columns = [*COLUMNS, *TRAITS, *map(_indicator, labels)]
    longest = gxe.ExpectColumnMaxToBeBetween(column="words", max_value=cfg.max_words)
    rules = [
        _Rule("columns", 0, gxe.ExpectTableColumnsToMatchOrderedList(column_list=columns)),
        *(_Rule(f"empty {name}", 0, gxe.ExpectColumnValuesToNotBeNull(column=name)) for name in FILLED),
        _Rule("repeated id", 0, gxe.ExpectColumnValuesToBeUnique(column="id")),
        _Rule(
            "label outside the set",
            0,
            gxe.ExpectColumnValuesToBeInSet(column="label", value_set=list(labels)),
        ),
        _Rule(
            "labels", 2, gxe.ExpectColumnUniqueValueCountToBeBetween(column="label", min_value=2), least=True
        ),
        _Rule(
            "texts",
            cfg.min_texts,
            gxe.ExpectTableRowCountToBeBetween(min_value=cfg.min_texts),
            least=True,
            key="min_texts",
        ),
        *(
            _at_least(f"share of label {label}", _indicator(label), cfg.min_label_share, "min_label_share")
            for label in labels
        ),
        _Rule("words of the longest text", cfg.max_words, longest, key="max_words"),
        _at_most("words of the mean text", "words", cfg.max_mean_words, "max_mean_words"),
        _at_most("share with HTML or mojibake left", "residue", cfg.max_residue_share, "max_residue_share"),
    ]
    # Texts too short to tell their language have no say; where all are, there is nothing to judge.
    if judged:
        rules.append(
            _at_least(
                f"share in language {cfg.language}",
                "in_language",
                cfg.min_language_share,
                "min_language_share",
            )
        )
    return rules


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


def _judge(frame: Any, rules: Sequence[_Rule]) -> tuple[Check, ...]:
    """Run one suite over one frame in a fresh context: names used twice in one context raise (great_expectations#10269)."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # It sets itself to INFO at import, and tells of temporary folders.
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
    # The answers come back in an order of their own.
    answers = sorted(
        batch.validate(suite).results, key=lambda answer: answer.expectation_config.meta["number"]
    )
    return tuple(_answered(rule, answer) for rule, answer in zip(rules, answers, strict=True))


def _answered(rule: _Rule, answer: Any) -> Check:
    found = answer.result.get("unexpected_count", answer.result.get("observed_value"))
    # A table of the wrong columns, or a measure that could not be taken, has no number.
    number = (
        float(found)
        if isinstance(found, int | float) or hasattr(found, "item")
        else (0.0 if answer.success else math.nan)
    )
    if rule.limit == 0 and not rule.key:
        sentence = f"{rule.name}: {_written(number)}, none is allowed"
    else:
        sentence = f"{rule.name}: {_written(number)}, {'at least' if rule.least else 'at most'} {_written(rule.limit)} asked for"
    return Check(
        rule.name,
        bool(answer.success),
        number,
        rule.limit,
        sentence + (f" (validate.{rule.key})" if rule.key else ""),
    )


def _written(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) and number == int(number) else f"{number:.4g}"
