"""Which language a text is written in, told offline."""

from pipeline.core.clean.faults import count_words

UNDETERMINED = "und"


def detect_language(text: str, *, min_words: int) -> str:
    """Name the language of a text as two letters; `und` where it is too short to tell."""
    if count_words(text) < min_words:
        return UNDETERMINED
    import py3langid

    return str(py3langid.classify(text)[0])
