"""Cells that hold the entities of a text."""

from collections.abc import Callable, Sequence

from pipeline.base.errors import DataRejected
from pipeline.base.tasks.spans import Span, dump_spans, load_spans, span_fault
from pipeline.base.tasks.word_tags import read_tags, spans_of_words


def read_spans(
    written: str, text: str, place: str, read_label: Callable[[str], str], labels: Sequence[str]
) -> str:
    """Return the entities of a text as its answer: an empty cell says nothing about them, `[]` that none are.

    They are a JSON list of spans, or a tag for each word (base/tasks/word_tags.py). `place` names the cell,
    `read_label` spells a label as `labels` do. Raises DataRejected for what is no list of spans, or where
    they do not fit their text.
    """
    if not written.strip():
        return ""
    try:
        tags = read_tags(written)
        found = load_spans(written) if tags is None else spans_of_words(tags, text)
        spans = [Span(start, end, read_label(label)) for start, end, label in found]
    except DataRejected as error:
        raise DataRejected(f"{place}: {error}. Correct that row.") from error
    if fault := span_fault(spans, len(text), labels):
        raise DataRejected(
            f"{place}: {fault}. Correct that row; places count characters of the text as it stands in the "
            "table, from 0, and `end` is behind the last one."
        )
    return dump_spans(spans)
