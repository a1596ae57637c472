"""The card as Markdown: in full for a file and for Prefect's page, in brief for a model version in MLflow."""

import re
from collections.abc import Iterator, Sequence

from pipeline.base.documents.card import CardComparison, CardDifference, ReleaseCard
from pipeline.base.tasks.scores import score_head, score_of, score_title
from pipeline.report.formatting import (
    NONE,
    THRESHOLDS,
    integer,
    interval_name,
    percent,
    score,
    shortfall,
    utc_time,
)
from pipeline.report.release.agreement import agreement_sentences
from pipeline.report.release.markdown_tables import agreement_table, baseline_table, menu_table, with_interval

LENGTH = 4_500  # MLflow keeps 5,000 characters of a description
SPECIAL = re.compile(r"([\\`*\[\]<>|])")


def markdown(card: ReleaseCard) -> str:
    """Write the card in full."""
    scores = (_metrics, _comparison, _slices, _behaviour, _human)
    sections = (_head, _decision, *scores, _menu, _data, _use, _lineage)
    return "\n".join(line for section in sections for line in section(card)).rstrip() + "\n"


def brief(card: ReleaseCard) -> str:
    """Write what fits into a model registry: verdict, metrics, limits, and where the full card is."""
    limits = [f"- {_plain(sentence)}" for sentence in card["limits"][:3]]
    more = f"The full card: `tonewatch report {_plain(card['release'])}`."
    lines = [*_head(card), *_metrics(card), *_intended_use(card), "**Limits**", "", *limits, ""]
    # A long reason may fill the space: then the end is cut, and never the reference to the full card.
    return "\n".join(lines)[: LENGTH - len(more) - 3].rstrip() + f"\n\n{more}\n"


def _head(card: ReleaseCard) -> Iterator[str]:
    compared, metrics, comparison = card["compared"], card["metrics"], card["comparison"]
    yield from (f"# {_plain(card['release'])}: {card['verdict']}", "")
    against = f"against {_plain(compared['champion'])}" if compared["champion"] else "without a champion"
    variant = f" ({_plain(compared['variant'])})" if compared["variant"] else ""
    yield (
        f"Model version {_plain(compared['model_version'])}{variant}, evaluated {against} on "
        f"{integer(compared['texts'])} texts of data version {_plain(compared['data_version'])}. "
        f"Code `{_plain(card['lineage']['code_commit'])}`."
    )
    accuracy = "" if metrics["accuracy"] is None else f", accuracy {score(metrics['accuracy'])}"
    yield from ("", f"{score_head(metrics)} {with_interval(metrics)}{accuracy}.")
    if published := card["published"]:
        texts = f"{integer(published['texts'])} reserved texts"
        yield f"To publish: {score_title(published)} {with_interval(published)} on {texts}."
    if comparison:
        yield _difference_sentence(comparison)
    yield ""
    for check in card["decision"]["checks"]:
        if not check["passed"]:
            amount = shortfall(check["shortfall"], check["unit"])
            change = f" Smallest change that would have passed: better by {_plain(amount)}." if amount else ""
            yield from (f"**Failed: {_plain(check['name'])}.** {_plain(check['sentence'])}{change}", "")


def _difference_sentence(comparison: CardComparison) -> str:
    overall = score_of(comparison)
    gain: float | None = overall["minimum_detectable"]
    detectable = "" if gain is None else f"; minimum detectable gain {score(gain, True)}"
    interval = f"{_bounds(overall['low'], overall['high'])} ({interval_name(comparison['confidence'])})"
    difference = score(overall["difference"], True)
    return f"Against {_plain(comparison['champion'])}: {difference}, {interval}{detectable}."


def _decision(card: ReleaseCard) -> Iterator[str]:
    rows = [
        (check["name"], "yes" if check["passed"] else "**no**", check["sentence"])
        for check in card["decision"]["checks"]
    ]
    yield from _table("Gate decision", ("check", "passed", "reason"), rows)


def _metrics(card: ReleaseCard) -> Iterator[str]:
    yield from _table(*baseline_table(card["release"], card["metrics"]))
    yield from (f"{_plain(sentence)}\n" for sentence in [*card["training"], *card["task_figures"]])


def _comparison(card: ReleaseCard) -> Iterator[str]:
    comparison = card["comparison"]
    if not comparison:
        return
    models = (comparison["champion"], card["release"])
    interval = interval_name(comparison["confidence"])
    names = ("slice", "texts", *models, "difference", interval, "drop")
    yield from _table(
        "Slices against the champion", names, [_difference(row) for row in comparison["slices"]]
    )
    title = "Forgetting: backward transfer to each source of the champion"
    yield from _table(title, names, [_difference(row) for row in comparison["forgetting"]])
    if changed := comparison["changed"]:
        yield from ("## Changed predictions", "")
        yield (
            f"{integer(changed['count'])} of {integer(comparison['texts'])} predictions changed: "
            f"{integer(changed['fixed'])} fixed, {integer(changed['broken'])} broken."
        )
        yield ""


def _difference(row: CardDifference) -> tuple[str, ...]:
    return (
        row["name"],
        integer(row["texts"]),
        score(row["champion"]),
        score(row["candidate"]),
        score(row["difference"], True),
        _bounds(row["low"], row["high"]),
        f"**{row['drop']}**" if row["significant"] else row["drop"],
    )


def _slices(card: ReleaseCard) -> Iterator[str]:
    rows = [(f"label {row['label']}", score(row["f1"]), integer(row["texts"])) for row in card["labels"]]
    rows += [(row["name"], score(score_of(row)), integer(row["texts"])) for row in card["slices"]]
    title = score_title(card["metrics"])
    head = title.replace("macro", "(macro)")
    yield from _table("Labels and slices", ("", head, "texts"), rows)
    if calibration := card["calibration"]:
        ece, temperature = calibration["ece"], calibration["temperature"]
        yield from (f"Expected calibration error {score(ece)}, temperature {score(temperature)}.", "")


def _behaviour(card: ReleaseCard) -> Iterator[str]:
    rows = [
        (
            row["ability"],
            row["kind"],
            f"{integer(row['passed'])} of {integer(row['cases'])}",
            percent(row["pass_rate"], 1),
            percent(row["required"], 1),
        )
        for row in card["behaviour"]
    ]
    yield from _table("Behaviour tests", ("ability", "kind", "passed", "pass rate", "required"), rows)
    if attack := card["attack"]:
        before, after = score(attack["macro_f1_before"]), score(attack["macro_f1_after"])
        typos = f"typos in up to {attack['edits']} words of a text, the worst of {attack['tries']} attempts"
        yield from (f"Under attack ({typos}), macro F1 drops from {before} to {after}.", "")


def _human(card: ReleaseCard) -> Iterator[str]:
    if human := card["human"]:
        yield from _table(*agreement_table(card["release"], human))
        yield from (f"{sentence}\n" for sentence in agreement_sentences(human))


def _menu(card: ReleaseCard) -> Iterator[str]:
    if menu := card["menu"]:
        yield from _table(*menu_table(menu))


def _data(card: ReleaseCard) -> Iterator[str]:
    data = card["data"]
    rows = [
        (row["name"], row["project"] or row["kind"], row["licence"], row["lang"], integer(row["texts"]))
        for row in data["sources"]
    ]
    names = ("source", "from", "licence", "language", "texts")
    yield from _table(f"Data version {data['version']}", names, rows)
    if data["fingerprint"]:
        yield from (f"{integer(data['texts'])} texts, fingerprint `{_plain(data['fingerprint'])}`.", "")
    if data["account"]:
        yield from (*(f"- {_plain(sentence)}" for sentence in data["account"]), "")


def _use(card: ReleaseCard) -> Iterator[str]:
    yield from ("## Intended use and limits", "", *_intended_use(card))
    yield from ("**Limits**", "", *(f"- {_plain(sentence)}" for sentence in card["limits"]), "")


def _intended_use(card: ReleaseCard) -> Iterator[str]:
    yield from ("**Intended use**", "", *(f"- {_plain(sentence)}" for sentence in card["intended_use"]), "")


def _lineage(card: ReleaseCard) -> Iterator[str]:
    lineage = card["lineage"]
    rows: list[tuple[str, object]] = [
        (name.replace("_", " "), value) for name, value in lineage.items() if value and isinstance(value, str)
    ]
    rows += [(THRESHOLDS.get(name, name), value) for name, value in card["thresholds"].items()]
    rows += lineage["files"].items()
    rows += [
        (f"approved by {entry['actor']}", f"{utc_time(entry['time'])}: {entry['reason']}")
        for entry in lineage["approvals"]
    ]
    for move in lineage["moves"]:
        releases = f"{move['from'] or 'none'} to {move['to']}"
        text = f"{releases}, {utc_time(move['time'])}, {move['actor']}: {move['reason']}"
        rows.append((f"move {move['sequence']}", text))
    yield from _table("Lineage", ("what", "value"), rows)


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    if rows:
        yield from (f"## {_plain(title)}", "")
        yield from (f"| {' | '.join(map(_plain, names))} |", f"|{' --- |' * len(names)}")
        yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)
        yield ""


def _cell(value: object) -> str:
    # The two words that are set in bold are ours.
    return str(value) if value in ("**yes**", "**no**") else _plain(value)


def _bounds(low: float, high: float) -> str:
    return f"{score(low, True)} to {score(high, True)}"


def _plain(value: object) -> str:
    """Escape a value so that no Markdown reader takes it for a link, an image, a tag or a cell."""
    return SPECIAL.sub(r"\\\1", " ".join(str(NONE if value is None else value).split()))
