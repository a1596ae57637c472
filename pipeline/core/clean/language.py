"""The language of a text, detected offline: by its script where that names one, else by its letters."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.core.clean.words import BURMESE, HAN, KANA, KHMER, LAO, THAI, count_words

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNDETERMINED = "und"
# A text with fewer than `min_words` words is judged where the model is as sure as this: of 1,600 English
# texts of 3 to 7 words it then judges 43 %, 99.7 % of them as English; it judges none of one word.
MIN_CONFIDENCE = 0.8
# The language of a script, and its letters; kana distinguish Japanese from Chinese.
HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
SCRIPTS = (
    ("ja", KANA),
    ("zh", HAN),
    ("ko", HANGUL),
    ("th", THAI),
    ("lo", LAO),
    ("my", BURMESE),
    ("km", KHMER),
)
MIN_LETTERS = 2
_LETTERS = tuple((language, re.compile(f"[{letters}]")) for language, letters in SCRIPTS)
_ANY = re.compile(f"[{''.join(letters for _, letters in SCRIPTS)}]")


@dataclass(frozen=True)
class DetectedLanguage:
    """Hold the two-letter code of a language, and whether the script or the letters of the text are clear."""

    code: str
    is_clear: bool


def detect_language(text: str, *, min_words: int) -> str:
    """Return the two-letter code of a text's language, `und` where it cannot be determined.

    A text with fewer than `min_words` words gets a code only where its script or its letters are clear.
    """
    detected = classify_language(text)
    if not detected.is_clear and count_words(text) < min_words:
        return UNDETERMINED
    return detected.code


def classify_languages(texts: Sequence[str]) -> list[DetectedLanguage]:
    """Return the likeliest language of each text; it can be called in another process."""
    return [classify_language(text) for text in texts]


def classify_language(text: str) -> DetectedLanguage:
    """Return the likeliest language of a text."""
    if not text.isascii() and (language := _language_of_script(text)):
        return DetectedLanguage(language, is_clear=True)
    language, confidence = _identifier().classify(text)
    return DetectedLanguage(str(language), is_clear=not confidence < MIN_CONFIDENCE)


def _language_of_script(text: str) -> str | None:
    """Return the language of the script that most letters of a text have, None where it names none."""
    letters = len(_ANY.findall(text))
    if letters < MIN_LETTERS or 2 * letters < sum(letter.isalpha() for letter in text):
        return None
    counts = {language: len(pattern.findall(text)) for language, pattern in _LETTERS}
    # Japanese mixes kana with the letters of Chinese; a Chinese text has hardly any kana.
    if counts["ja"] * 10 >= letters:
        return "ja"
    return max(counts, key=lambda language: counts[language])


@functools.cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
