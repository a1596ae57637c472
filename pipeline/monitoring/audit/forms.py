"""The form of the answers that people give: that of the release which predicted the text."""

import functools
from collections.abc import Callable, Sequence

from pipeline.base.config import Params, Workspace
from pipeline.base.errors import DataRejected, UsageError
from pipeline.base.tasks import SINGLE_LABEL, AnswerForm, answer_form
from pipeline.base.tasks.spans import dump_spans, load_spans, span_fault
from pipeline.io.registry.ledger import Ledger

FormOf = Callable[[str], AnswerForm]


def forms_of_releases(workspace: Workspace, params: Params) -> FormOf:
    """Return a function from a release's name to its form; of one that nobody knows it is that of params."""

    @functools.cache
    def _tasks() -> dict[str, AnswerForm]:
        evaluations = {one.name: one.record.get("evaluation") for one in Ledger(workspace.ledger).releases()}
        tasks = {name: found.get("task", SINGLE_LABEL) for name, found in evaluations.items() if found}
        return {name: answer_form(task) for name, task in tasks.items()}

    return lambda release: _tasks().get(release, answer_form(params.task))


def read_answer(form: AnswerForm, written: str, known: Sequence[str], text: str) -> str:
    """Return the answer that a person gave about a text, as its form spells it.

    `text` is empty where the journal stores none. Raises UsageError for what is no answer, and for entities
    that do not lie in the text.
    """
    if form.has_places:
        return _read_entities(written, known, text)
    answer = form.read(written, known)
    if form.one_label:
        answer = written if written in known else None
    if answer is None:
        raise UsageError(f"{written[:80]!r} is no label. Labels: {', '.join(known)}.")
    return answer


def _read_entities(written: str, known: Sequence[str], text: str) -> str:
    if not text:
        raise UsageError(
            "The journal stores no text of this prediction (serve.journal.texts: hash), so nobody can say "
            "where an entity lies in it. Nothing was stored."
        )
    try:
        spans = load_spans(written)
    except DataRejected as error:
        raise UsageError(f"{error}. Nothing was stored.") from error
    if fault := span_fault(spans, len(text), known):
        raise UsageError(f"{fault[0].upper()}{fault[1:]}. Nothing was stored.")
    return dump_spans(spans)
