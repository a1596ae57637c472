"""The texts of a table: how long they are, in which languages, and how many are duplicates."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

# How many texts of a table are looked at for their language, at most.
LANGUAGE_TEXTS = 400
LANGUAGE_CHARACTERS = 60
# Scripts that tell the language without a classifier; Kana before Han, which Japanese uses too.
SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
LONGEST_WORDS = 10_000


@dataclass(frozen=True)
class TextMeasures:
    """Hold measures of texts: words are characters where no blanks separate words.

    `languages` are shares of the texts looked at, the most frequent first.
    """

    texts: int
    empty: int
    duplicates: int
    mean_words: float
    median_words: int
    p95_words: int
    max_words: int
    languages: dict[str, float]
    bytes_literals: int
    markup: int


@dataclass
class TextTally:
    """Measure texts one by one; `digest` names a text, of which the first `most` are compared."""

    digest: Callable[[str], str]
    most: int
    lengths: Counter[int] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    digests: set[bytes] = field(default_factory=set)
    texts: int = 0
    empty: int = 0
    duplicates: int = 0
    bytes_literals: int = 0
    markup: int = 0

    def add(self, text: str) -> None:
        """Measure one text."""
        content = text.strip()
        if not content:
            self.empty += 1
            return
        self.texts += 1
        self.lengths[min(count_words(content), LONGEST_WORDS)] += 1
        self.bytes_literals += content.startswith(("b'", 'b"')) and content.endswith(content[1])
        self.markup += "<" in content and re.search(r"</?[a-zA-Z]+[^<>]*>", content) is not None
        if self.texts <= self.most:
            key = bytes.fromhex(self.digest(content)[:24])
            self.duplicates += key in self.digests
            self.digests.add(key)
        if sum(self.languages.values()) < LANGUAGE_TEXTS:
            self.languages[find_language(content)] += 1

    def measures(self) -> TextMeasures:
        """Return the measures of all texts so far."""
        total = max(1, self.texts)
        known = {code: number for code, number in self.languages.most_common() if code}
        judged = max(1, sum(known.values()))
        return TextMeasures(
            texts=self.texts,
            empty=self.empty,
            duplicates=self.duplicates,
            mean_words=sum(length * number for length, number in self.lengths.items()) / total,
            median_words=self._quantile(0.5),
            p95_words=self._quantile(0.95),
            max_words=max(self.lengths, default=0),
            languages={code: number / judged for code, number in known.items()},
            bytes_literals=self.bytes_literals,
            markup=self.markup,
        )

    def _quantile(self, share: float) -> int:
        left = share * self.texts
        for length in sorted(self.lengths):
            left -= self.lengths[length]
            if left <= 0:
                return length
        return 0


def count_words(text: str) -> int:
    """Return the number of words; without blanks between words, that of characters."""
    words = len(text.split())
    return len(text) if script_language(text) and words < len(text) / 8 else words


def script_language(text: str) -> str:
    """Return the language of a text's script, "" for scripts of many languages."""
    for code, pattern in SCRIPTS:
        if len(pattern.findall(text)) > 0.2 * len(text):
            return code
    return ""


def find_language(text: str) -> str:
    """Return the two-letter code of a text's language, "" where the text is too short to tell."""
    if code := script_language(text):
        return code
    if len(text) < LANGUAGE_CHARACTERS:
        return ""
    import py3langid

    return str(py3langid.classify(text)[0])
