"""The card as Markdown: whole for a file and for Prefect's page, brief for the description of a version in MLflow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.report import formatting
from pipeline.report.formatting import decimal, integer, percent
from pipeline.report.formatting import score as three

LENGTH = 4_500  # MLflow keeps 5,000 characters of a description
SPECIAL = re.compile(r"([\\`*\[\]<>|])")


def markdown(card: Mapping[str, Any]) -> str:
    """Write the whole card."""
    parts = (_head, _decision, _figures, _versus, _slices, _abilities, _people, _menu, _data, _use, _lineage)
    return "\n".join(line for part in parts for line in part(card)).rstrip() + "\n"


def brief(card: Mapping[str, Any]) -> str:
    """Write what a registry has room for: verdict, figures, limits, and where the rest is."""
    limits = [f"- {_plain(sentence)}" for sentence in card["limits"][:3]]
    more = f"The whole card: `tonewatch report {_plain(card['release'])}`."
    lines = [*_head(card), *_figures(card), *_use_of(card["use"]), "**Limits**", "", *limits, ""]
    # A long reason may take the room: then the end goes, and never the way to the whole.
    return "\n".join(lines)[: LENGTH - len(more) - 3].rstrip() + f"\n\n{more}\n"


def _head(card: Mapping[str, Any]) -> Iterator[str]:
    compared, figures, versus = card["compared"], card["figures"], card["comparison"]
    yield from (f"# {_plain(card['release'])}: {card['verdict']}", "")
    against = (
        f"judged against {_plain(compared['champion'])}"
        if compared["champion"]
        else "judged with no champion to compare with"
    )
    variant = f" ({_plain(compared['variant'])})" if compared["variant"] else ""
    yield (
        f"Model version {_plain(compared['model_version'])}{variant}, {against} on {integer(compared['texts'])} texts "
        f"of data version {_plain(compared['data_version'])}. Code `{_plain(card['lineage']['code_commit'])}`."
    )
    yield from ("", f"Macro F1 {_with_interval(figures)}, accuracy {three(figures['accuracy'])}.")
    if versus:
        found = versus["macro_f1"]
        seen = (
            ""
            if found["visible"] is None
            else f"; the smallest gain these texts can show is {three(found['visible'], True)}"
        )
        bounds = f"{three(found['low'], True)} to {three(found['high'], True)}"
        yield f"Against {_plain(versus['champion'])}: {three(found['difference'], True)}, {bounds} ({_interval(versus)}){seen}."
    yield ""
    for part in card["decision"]["parts"]:
        if not part["passed"]:
            missing = formatting.shortfall(part["missing"], part["unit"])
            change = (
                f" The smallest change that would have passed: better by {_plain(missing)}."
                if missing
                else ""
            )
            yield from (f"**Failed: {_plain(part['name'])}.** {_plain(part['sentence'])}{change}", "")


def _decision(card: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (part["name"], "yes" if part["passed"] else "**no**", part["sentence"])
        for part in card["decision"]["parts"]
    ]
    yield from _table("The decision", ("part", "passed", "why"), rows)


def _figures(card: Mapping[str, Any]) -> Iterator[str]:
    own = card["figures"]
    rows = [
        (card["release"], own),
        *((formatting.baseline_name(row["name"]), row) for row in own["baselines"]),
    ]
    figures = [(name, _with_interval(row), three(row["accuracy"])) for name, row in rows]
    yield from _table("Figures beside the baselines", ("", "macro F1", "accuracy"), figures)


def _versus(card: Mapping[str, Any]) -> Iterator[str]:
    versus = card["comparison"]
    if not versus:
        return
    names = (
        "slice",
        "texts",
        versus["champion"],
        card["release"],
        "difference",
        _interval(versus),
        "surely worse",
    )
    for title, rows in (
        ("Slices against the champion", versus["slices"]),
        ("What it may have forgotten", versus["forgetting"]),
    ):
        yield from _table(title, names, [_difference(row) for row in rows])
    if changed := versus["changed"]:
        yield from ("## Changed answers", "")
        told = f"{integer(changed['mended'])} were wrong and are right, {integer(changed['broken'])} were right and are wrong"
        yield from (
            f"{integer(changed['count'])} of {integer(versus['texts'])} texts are answered differently: {told}.",
            "",
        )


def _difference(row: Mapping[str, Any]) -> tuple[str, ...]:
    bounds = f"{three(row['low'], True)} to {three(row['high'], True)}"
    worse = "**yes**" if row["surely_worse"] else "no"
    return (
        row["name"],
        integer(row["texts"]),
        three(row["champion"]),
        three(row["candidate"]),
        three(row["difference"], True),
        bounds,
        worse,
    )


def _slices(card: Mapping[str, Any]) -> Iterator[str]:
    names = [*((f"label {row['label']}", row["f1"], row) for row in card["labels"])]
    names += [(row["name"], row["macro_f1"], row) for row in card["slices"]]
    yield from _table(
        "Labels and slices",
        ("", "(macro) F1", "texts"),
        [(name, three(score), integer(row["texts"])) for name, score, row in names],
    )
    found = card["calibration"]
    yield from (
        f"Expected calibration error {three(found['ece'])}, temperature {three(found['temperature'])}.",
        "",
    )


def _abilities(card: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (
            row["ability"],
            row["kind"],
            f"{integer(row['passed'])} of {integer(row['cases'])}",
            percent(row["pass_rate"], 1),
            percent(row["needed"], 1),
        )
        for row in card["behaviour"]
    ]
    yield from _table("What it can do", ("ability", "kind", "passed", "pass rate", "needed"), rows)
    if attack := card["attack"]:
        before, after = three(attack["macro_f1_before"]), three(attack["macro_f1_after"])
        slips = f"With slips in up to {attack['edits']} words of a text, the worst of {attack['tries']} tries"
        yield from (f"{slips}: macro F1 from {before} to {after}.", "")


def _people(card: Mapping[str, Any]) -> Iterator[str]:
    if human := card["human"]:
        names = {
            "candidate": card["release"],
            "one_rater": "one rater",
            "ceiling": "ceiling: half against half",
        }
        rows = [
            (name, three(human[who]["macro_f1"]), three(human[who]["accuracy"]))
            for who, name in names.items()
        ]
        yield from _table(
            f"Beside people, on {integer(human['texts'])} texts", ("", "macro F1", "accuracy"), rows
        )


def _menu(card: Mapping[str, Any]) -> Iterator[str]:
    if menu := card["menu"]:
        names = ("variant", "macro F1", "fall", "agrees", "MB", "p50 ms", "p95 ms", "texts/s", "fits")
        yield from _table(
            f"The menu: chosen is {menu['chosen']}", names, [_variant(found) for found in menu["variants"]]
        )


def _variant(found: Mapping[str, Any]) -> tuple[str, ...]:
    figures = (
        three(found["macro_f1"]),
        three(found["macro_f1_fall"], True),
        percent(found["agreement"], 1),
        decimal(found["megabytes"]),
    )
    speed = (
        decimal(found["p50_ms"]),
        decimal(found["p95_ms"]),
        formatting.rounded(found["texts_per_second"]),
    )
    return found["name"], *figures, *speed, "yes" if found["fits"] else "no"


def _data(card: Mapping[str, Any]) -> Iterator[str]:
    data = card["data"]
    kinds = [
        (
            source["name"],
            source["project"] or source["kind"],
            source["licence"],
            source["lang"],
            integer(source["texts"]),
        )
        for source in data["sources"]
    ]
    yield from _table(
        f"The data: {data['version']}", ("source", "from", "licence", "language", "texts"), kinds
    )
    if data["fingerprint"]:
        yield from (f"{integer(data['texts'])} texts, fingerprint `{_plain(data['fingerprint'])}`.", "")


def _use(card: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Intended use and limits", "")
    yield from _use_of(card["use"])
    yield from ("**Limits**", "", *(f"- {_plain(sentence)}" for sentence in card["limits"]), "")


def _use_of(sentences: Sequence[str]) -> Iterator[str]:
    yield from ("**Intended use**", "", *(f"- {_plain(sentence)}" for sentence in sentences), "")


def _lineage(card: Mapping[str, Any]) -> Iterator[str]:
    line = card["lineage"]
    names = (
        "data_version",
        "model_version",
        "champion",
        "approval",
        "signature",
        "code_commit",
        "params_digest",
        "parent",
        "identity",
    )
    rows = [(name.replace("_", " "), line[name]) for name in names if line[name]]
    rows += [
        *((formatting.THRESHOLDS.get(name, name), value) for name, value in card["thresholds"].items()),
        *line["files"].items(),
    ]
    rows += [
        (f"approved by {entry['actor']}", f"{formatting.utc_time(entry['time'])}: {entry['reason']}")
        for entry in line["approvals"]
    ]
    rows += [
        (
            f"move {move['sequence']}",
            f"{move['from'] or 'none'} to {move['to']}, {formatting.utc_time(move['time'])}, {move['actor']}: {move['reason']}",
        )
        for move in line["moves"]
    ]
    yield from _table("Lineage", ("what", "which"), rows)


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    if rows:
        yield from (
            f"## {_plain(title)}",
            "",
            f"| {' | '.join(map(_plain, names))} |",
            f"|{' --- |' * len(names)}",
        )
        yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)
        yield ""


def _cell(value: Any) -> str:
    # The two words that are set in bold are our own.
    return value if value in ("**yes**", "**no**") else _plain(value)


def _with_interval(row: Mapping[str, Any]) -> str:
    bounds = row["intervals"].get("macro_f1")
    return three(row["macro_f1"]) + (f" ({three(bounds[0])} to {three(bounds[1])})" if bounds else "")


def _interval(versus: Mapping[str, Any]) -> str:
    return formatting.interval_name(versus["confidence"])


def _plain(value: Any) -> str:
    """Write a value so that no reader of Markdown takes it for a link, an image, a tag or a cell."""
    return SPECIAL.sub(r"\\\1", " ".join(str(formatting.NONE if value is None else value).split()))
