"""The language of a text, detected offline."""

from pipeline.core.clean.faults import count_words

UNDETERMINED = "und"


def detect_language(text: str, *, min_words: int) -> str:
    """Return the two-letter code of a text's language, `und` where it has fewer than `min_words` words."""
    if count_words(text) < min_words:
        return UNDETERMINED
    import py3langid

    return str(py3langid.classify(text)[0])
