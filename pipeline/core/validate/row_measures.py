"""The measures of single texts that the expectation suite checks."""

import re
from collections.abc import Sequence

from pipeline.base.config import ValidateConfig
from pipeline.base.records import TextRecord
from pipeline.core.clean.language import UNDETERMINED, detect_language

# Independent of the rules of `clean`, so that a mistake there is found here.
MARKUP = re.compile(
    r"</?(?:p|br|div|span|a|b|i|u|em|strong|img|ul|ol|li|td|tr|th|table|font|h[1-6]|script|style)"
    r"(?:\s[^<>]*=[^<>]*)?/?>"
    r"|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#x[0-9a-f]{1,6});",
    re.IGNORECASE,
)


def residues(records: Sequence[TextRecord]) -> list[bool]:
    """Return for each text whether HTML, mojibake or a replacement character is left in it."""
    from ftfy.badness import is_bad

    return [
        bool(MARKUP.search(r.text)) or "\N{REPLACEMENT CHARACTER}" in r.text or bool(is_bad(r.text))
        for r in records
    ]


def in_language(records: Sequence[TextRecord], cfg: ValidateConfig) -> list[float | None]:
    """Return for each text 1.0 if it is in `cfg.language`, else 0.0; None where it is too short to tell."""
    languages = (detect_language(record.text, min_words=cfg.language_min_words) for record in records)
    return [None if name == UNDETERMINED else float(name == cfg.language) for name in languages]
