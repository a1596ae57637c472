"""The role of each column of a table (text, label, id, group, time and others), by what its cells hold."""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.core.inspection.labels import fold, looks_like_sentiment, separator_of, split_labels

NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")
WHOLE = re.compile(r"[-+]?\d+(?:[.,]0+)?")
LIST_OF_NUMBERS = re.compile(r"[\[(]?\s*[-+]?\d+(?:\.\d+)?(?:\s*[,; ]\s*[-+]?\d+(?:\.\d+)?)+\s*[\])]?")
TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?"
    r"|\d{4}/\d\d?/\d\d?.*"
    r"|\d\d?[./-]\d\d?[./-](\d{4}|\d\d)([ T,]+\d\d?[:.]\d\d.*)?"
    r"|1\d{9}(\.\d+)?|1\d{12}"
    r"|(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? .*\d{4}.*"
    r"|\d\d? (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* \d{4}.*"
    r"|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* \d\d?,? \d{4}.*"
)
SPLITS = {"train", "training", "valid", "validation", "val", "dev", "test", "testing", "eval", "holdout"}
LANGUAGES = {
    "aa", "af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en",
    "eo", "es", "et", "eu", "fa", "fi", "fr", "ga", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id",
    "is", "it", "ja", "ka", "kk", "km", "kn", "ko", "ku", "ky", "la", "lb", "lo", "lt", "lv", "mg",
    "mk", "ml", "mn", "mr", "ms", "mt", "my", "nb", "ne", "nl", "nn", "no", "oc", "or", "pa", "pl",
    "ps", "pt", "ro", "ru", "si", "sk", "sl", "so", "sq", "sr", "sv", "sw", "ta", "te", "tg", "th",
    "tk", "tl", "tr", "uk", "ur", "uz", "vi", "xh", "yo", "zh", "zu",
}  # fmt: skip
NAMES = {
    "text": r"text|review|comment|tweet|sentence|body|content|message|post|utterance|headline|document",
    "label": r"label|sentiment|class|target|polarity|emotion|tone|category|stance|intent|airline_sentiment",
    "rating": r"rating|star|score|valence|mean|grade|overall|compound",
    "id": r"id|key|uuid|guid|index|number|no|nr",
    "group": r"user|author|group|thread|customer|session|article|conversation|reviewer|speaker|document|doc",
    "time": r"time|date|created|timestamp|published|posted|when|day",
    "lang": r"lang|language|locale",
    "topic": r"topic|product|domain|subject|source|department|area|brand|aspect|section|tag|airline|channel",
    "split": r"split|fold|set|partition|part",
    "aspect": r"aspect|target|term|entity|attribute|opinion_term|category",
    "raters": r"raters|ratings|given|votes|annotations|annotators|scores",
}
MAX_LABELS = 50
ONE_HOT = ({"0", "1"}, {"true", "false"}, {"0.0", "1.0"}, {"yes", "no"})


@dataclass(frozen=True)
class ColumnProfile:
    """Hold what a sample of one column's cells looks like; shares are of the cells that are not empty."""

    name: str
    filled: float
    distinct: int
    cells: int
    words: float
    characters: float
    letters: float
    numbers: float
    whole_numbers: float
    times: float
    values: Mapping[str, int]

    @property
    def distinct_share(self) -> float:
        """Return the share of different values."""
        return self.distinct / max(1, self.cells)

    def is_called(self, role: str) -> bool:
        """Return whether the last part of the column's name is one that people give to a role."""
        last = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name.rpartition(".")[2]).lower()
        return re.search(rf"(^|[_\W])({NAMES[role]})s?($|[_\W\d])", last) is not None


@dataclass
class Roles:
    """Hold which column is for what, "" where none is, and sentences about what is not sure."""

    text: str = ""
    label: str = ""
    rating: str = ""
    raters: str = ""
    id: str = ""
    group: str = ""
    time: str = ""
    lang: str = ""
    topic: str = ""
    split: str = ""
    one_hot: tuple[str, ...] = ()
    separator: str = ""
    aspect: str = ""
    doubts: list[str] = field(default_factory=list)

    def columns(self) -> dict[str, str]:
        """Return the column of each field that has one."""
        names = ("text", "label", "rating", "raters", "id", "group", "time", "lang", "topic", "split")
        return {name: column for name in names if (column := getattr(self, name))}


Finder = Callable[[Mapping[str, ColumnProfile], Roles], str]


def profile(name: str, cells: Sequence[str]) -> ColumnProfile:
    """Measure a sample of one column's cells."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    counts: dict[str, int] = {}
    for cell in filled:
        counts[cell] = counts.get(cell, 0) + 1
    total = max(1, len(filled))

    def share(pattern: re.Pattern[str]) -> float:
        return sum(pattern.fullmatch(cell) is not None for cell in filled) / total

    return ColumnProfile(
        name=name,
        filled=len(filled) / max(1, len(cells)),
        distinct=len(counts),
        cells=len(filled),
        words=sum(len(cell.split()) for cell in filled) / total,
        characters=sum(map(len, filled)) / total,
        letters=sum(any(map(str.isalpha, cell)) for cell in filled) / total,
        numbers=share(NUMBER),
        whole_numbers=share(WHOLE),
        times=share(TIME),
        values=counts,
    )


def find_roles(names: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Roles:
    """Return what each column is for, by a sample of rows.

    A column has one role. What holds of several columns is decided by their names, and said.
    """
    profiles = {name: profile(name, [row.get(name, "") for row in rows]) for name in names if name}
    roles = Roles()
    free = {name: one for name, one in profiles.items() if one.distinct > 0}
    early: tuple[tuple[str, Finder], ...] = (
        ("text", _find_text),
        ("split", _find_split),
        ("time", _find_time),
        ("raters", _find_raters),
        ("lang", _find_language),
    )
    for role, find in early:
        if found := find(free, roles):
            setattr(roles, role, found)
            free.pop(found)
    _find_labels(free, rows, roles)
    late = (("id", _find_id), ("aspect", _aspect_finder(rows, roles)), ("group", _find_group))
    for role, find in late:
        if found := find(free, roles):
            setattr(roles, role, found)
            free.pop(found)
    roles.topic = roles.aspect or _find_topic(free, roles)
    return roles


def _find_text(free: Mapping[str, ColumnProfile], roles: Roles) -> str:
    """Return the column with the longest and most varied words."""

    def score(one: ColumnProfile) -> float:
        return one.characters * one.distinct_share * one.letters * (1.6 if one.is_called("text") else 1.0)

    texts = [
        one
        for one in free.values()
        if one.letters > 0.5
        and one.times < 0.5
        and one.numbers < 0.5
        and (one.words >= 2 or one.characters >= 10 or one.is_called("text"))
        and (one.distinct > MAX_LABELS or one.distinct_share > 0.2 or one.is_called("text"))
    ]
    ranked = sorted(texts, key=score, reverse=True)
    if len(ranked) > 1 and score(ranked[1]) > 0.5 * score(ranked[0]) and ranked[1].words > 3:
        roles.doubts.append(
            f"Columns {ranked[0].name} and {ranked[1].name} both hold texts: {ranked[0].name} is taken. "
            "Correct `columns.text` if the other is meant."
        )
    return ranked[0].name if ranked else ""


def _find_split(free: Mapping[str, ColumnProfile], roles: Roles) -> str:
    found = next((one for one in free.values() if {fold(value) for value in one.values} <= SPLITS), None)
    if found is None:
        return ""
    sides = {fold(value) for value in found.values}
    counts = ", ".join(f"{side} {number}" for side, number in found.values.items())
    if not sides & {"test", "testing", "eval", "holdout"}:
        roles.doubts.append(
            f"Column {found.name} names {counts} but no test: a test split is dealt from train by hash. "
            "Write `split: null` to deal all of them by hash."
        )
    elif not sides & {"valid", "validation", "val", "dev"}:
        roles.doubts.append(f"Column {found.name} names {counts} but no validation: it is dealt from train.")
    return found.name


def _find_time(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    times = [
        one
        for one in free.values()
        if one.times > 0.8 and (one.numbers < 0.9 or one.is_called("time") or one.distinct_share > 0.5)
    ]
    return max(times, key=lambda one: (one.is_called("time"), one.filled), default=_NONE).name


def _find_raters(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    for one in free.values():
        lists = sum(n for value, n in one.values.items() if LIST_OF_NUMBERS.fullmatch(value))
        parts = [len(re.findall(r"[-+]?\d+(?:\.\d+)?", value)) for value in list(one.values)[:100]]
        if lists > 0.9 * one.cells and one.times < 0.5 and one.numbers < 0.5 and parts:
            enclosed = all(value[0] in "[(" for value in one.values)
            if enclosed or (statistics.median(parts) >= 3 and one.is_called("raters")):
                return one.name
    return ""


def _find_language(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    for one in free.values():
        codes = {re.split(r"[-_]", value.lower())[0] for value in one.values}
        if codes <= LANGUAGES and (one.is_called("lang") or (len(codes) > 1 and not codes <= {"no", "yes"})):
            return one.name
    return ""


def _find_labels(free: dict[str, ColumnProfile], rows: Sequence[Mapping[str, str]], roles: Roles) -> None:
    """Find the column of labels, a rating, or one-hot columns, and take them from the free columns."""
    if (one_hot := find_one_hot(free, rows, roles)) and not any(
        one.is_called("label") and name not in one_hot and _is_label(one) for name, one in free.items()
    ):
        roles.one_hot = one_hot
        for name in one_hot:
            free.pop(name)
        return
    ranked = sorted((one for one in free.values() if _is_label(one)), key=_label_score, reverse=True)
    rating = _find_rating(free)
    if rating and (not ranked or _label_score(ranked[0]) < 2.5):
        roles.rating = free.pop(rating).name
        return
    if not ranked:
        return
    best = ranked[0]
    if len(ranked) > 1 and _label_score(ranked[1]) >= _label_score(best) - 0.5:
        roles.doubts.append(
            f"Columns {best.name} and {ranked[1].name} could both be the label: {best.name} is taken. "
            "Correct `columns.label` if the other is meant."
        )
    roles.label, roles.separator = best.name, separator_of(best.values)
    free.pop(best.name)


def _is_label(one: ColumnProfile) -> bool:
    values = one.values
    if separator := separator_of(values):
        kinds = {fold(part) for value in values for part in split_labels(value, separator)}
    else:
        kinds = {fold(value) for value in values}
    short = one.characters <= 40 and one.words <= 4
    few = 2 <= len(kinds) <= MAX_LABELS and len(kinds) <= 0.5 * one.cells
    fractions = one.numbers > 0.9 and one.whole_numbers < 0.9
    return short and few and not fractions and one.times < 0.5


def _label_score(one: ColumnProfile) -> float:
    score = 2.0 * one.is_called("label")
    score += 2.0 * looks_like_sentiment(one.values)
    score += 1.0 * (one.is_called("rating") and one.whole_numbers > 0.9)
    score += 0.5 * (one.distinct <= 10)
    score -= (
        1.0
        * (one.is_called("topic") or one.is_called("group") or one.is_called("aspect"))
        * (not one.is_called("label"))
    )
    return score + 0.2 * one.filled


def _find_rating(free: Mapping[str, ColumnProfile]) -> str:
    ratings = [
        one
        for one in free.values()
        if one.numbers > 0.9
        and one.distinct > 2
        and (one.whole_numbers < 0.9 or one.is_called("rating"))
        and (one.distinct_share < 0.9 or one.is_called("rating"))
        and one.times < 0.5
        and not (one.is_called("id") and one.distinct_share > 0.95)
    ]
    best = max(ratings, key=lambda one: (one.is_called("rating"), one.whole_numbers < 0.9), default=_NONE)
    # A few whole numbers are labels: five stars.
    return "" if best.name and best.whole_numbers > 0.9 and best.distinct <= 11 else best.name


def find_one_hot(
    free: Mapping[str, ColumnProfile], rows: Sequence[Mapping[str, str]], roles: Roles
) -> tuple[str, ...]:
    """Return the columns of which exactly one holds 1 in each row, or which together name several labels."""
    names = [
        name
        for name, one in free.items()
        if any({fold(value) for value in one.values} <= kinds for kinds in ONE_HOT)
        and one.filled > 0.9
        and not one.is_called("id")
    ]
    if len(names) < 2:
        return ()
    sums = [sum(fold(row.get(name, "")) in ("1", "true", "yes", "1.0") for name in names) for row in rows]
    if sum(count == 1 for count in sums) >= 0.99 * len(sums):
        return tuple(names)
    if len(names) >= 3 and max(sums) > 1:
        several = sum(count > 1 for count in sums)
        roles.doubts.append(
            f"Columns {', '.join(names)} each say yes or no: {several} of {len(sums)} texts have several "
            "labels, and a text with several is set aside."
        )
        return tuple(names)
    return ()


def _find_id(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    unique = [
        one
        for one in free.values()
        if one.distinct == one.cells and one.filled == 1 and one.words <= 1.5 and one.characters <= 64
    ]
    return max(unique, key=lambda one: one.is_called("id"), default=_NONE).name


def _aspect_finder(rows: Sequence[Mapping[str, str]], roles: Roles) -> Finder:
    """Return a finder of the column that tells the rows of one text apart, where many texts have several."""
    by_text: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        by_text.setdefault(row.get(roles.text, ""), []).append(row)
    several = [same for same in by_text.values() if len(same) > 1]

    def find(free: Mapping[str, ColumnProfile], _: Roles) -> str:
        if not roles.text or sum(map(len, several)) < 0.2 * len(rows):
            return ""
        apart = {
            name: sum(len({row.get(name, "") for row in same}) == len(same) for same in several)
            for name, one in free.items()
            if one.letters > 0.9
        }
        best = max(apart, key=lambda name: (free[name].is_called("aspect"), apart[name]), default="")
        if not best or apart[best] < 0.8 * len(several):
            return ""
        differ = sum(len({row.get(roles.label, "") for row in same}) > 1 for same in several)
        roles.doubts.append(
            f"This is a table of aspects (column {best}): {len(several)} texts stand in several rows, "
            f"{differ} of them with different labels. A label of the whole text cannot be learnt from those."
        )
        return best

    return find


def _find_group(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    groups = [
        one
        for one in free.values()
        if 1 < one.distinct <= 0.9 * one.cells
        and one.words <= 2
        and one.whole_numbers + one.numbers < 1.9 + one.is_called("group")
        and (
            one.is_called("group") or (one.distinct > 20 and one.filled > 0.9 and not one.is_called("topic"))
        )
    ]
    return max(groups, key=lambda one: (one.is_called("group"), one.distinct), default=_NONE).name


def _find_topic(free: Mapping[str, ColumnProfile], roles: Roles) -> str:
    topics = [
        one
        for one in free.values()
        if 2 <= one.distinct <= 100
        and one.distinct <= 0.5 * one.cells
        and one.letters > 0.9
        and one.words <= 4
    ]
    best = max(topics, key=lambda one: (one.is_called("topic"), one.filled), default=_NONE)
    if best.name and not best.is_called("topic"):
        roles.doubts.append(f"Column {best.name} holds {best.distinct} values: it is taken as the topic.")
    return best.name


_NONE = ColumnProfile("", 0, 0, 0, 0, 0, 0, 0, 0, 0, {})
