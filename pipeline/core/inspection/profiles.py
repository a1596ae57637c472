"""What the cells of one column look like."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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
    "reference": r"reference|summary|answer|reply|response|completion|tldr|highlight|translation|paraphrase",
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
    """Hold which column is for what, "" where none is, and sentences about what is not sure.

    `several` says that a text has several of the labels of `one_hot`.
    """

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
    several: bool = False
    target: str = ""
    spans: str = ""
    reference: str = ""
    doubts: list[str] = field(default_factory=list)

    def columns(self) -> dict[str, str]:
        """Return the column of each field that has one."""
        names = (
            *("text", "label", "rating", "raters", "id", "group", "time", "lang", "topic", "split"),
            *("target", "spans", "reference"),
        )
        return {name: column for name in names if (column := getattr(self, name))}


Finder = Callable[[Mapping[str, ColumnProfile], Roles], str]
NO_COLUMN = ColumnProfile("", 0, 0, 0, 0, 0, 0, 0, 0, 0, {})


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
