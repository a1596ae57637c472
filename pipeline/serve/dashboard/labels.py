"""The page /labels: one text after the other, labelled by keyboard, without what the model predicted."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Form, Request
from starlette.responses import Response

from pipeline.base.errors import TonewatchError, UsageError
from pipeline.base.tasks import AnswerForm, join_labels
from pipeline.monitoring import audit_labels
from pipeline.operations.dashboard.actions import Session
from pipeline.operations.dashboard.lookups import read_params
from pipeline.serve.dashboard.context import (
    DashboardContext,
    admit_reader,
    redirect,
    reject_forged_form,
    render_message,
    render_page,
    status_of,
)
from pipeline.serve.dashboard.text_pieces import text_pieces

FormText = Annotated[str, Form()]
FormTexts = Annotated[Sequence[str], Form()]
SKIP, UNDO, SAVE, LABEL = "skip", "undo", "save", "label:"
MAX_KEYS = 9  # further labels have a button and no key


def label_page(context: DashboardContext, request: Request, topic: str = "", show: str = "") -> Response:
    """Show the next text that waits for this person; `show` names one that was taken back."""
    session, rejection = _admit_annotator(context, request)
    if session is None:
        return rejection or redirect(request, "/sign-in")
    try:
        params = read_params(context.workspace)
        text = audit_labels.queued_text(context.workspace, _key(show)) if show else None
        if text is None:
            waiting = audit_labels.read_queue(context.workspace, annotator(session), topic=topic)
            text = waiting[0] if waiting else None
        progress = audit_labels.topic_progress(context.workspace, params, text.topic) if text else None
        status = None if text else audit_labels.audit_status(context.workspace, params)
        form = audit_labels.form_of_text(context.workspace, params, text) if text else None
    except TonewatchError as error:
        return render_message(
            request, "The queue is not available", [str(error)], status=status_of(error), session=session
        )
    return render_page(
        request,
        "labels.html.j2",
        session=session,
        text=text,
        kind=kind_of(form) if form else "",
        pieces=list(text_pieces(text.text)) if text and form and form.has_places else [],
        topic=topic,
        labels=[
            (label, str(number) if number <= MAX_KEYS else "")
            for number, label in enumerate(params.collect.labels, start=1)
        ],
        progress=progress[0] if progress else None,
        sentence=progress[1] if progress else "",
        sentences=status["sentences"] if status else [],
    )


def kind_of(form: AnswerForm) -> Literal["one", "several", "places"]:
    """Return how the page asks for an answer: one label, several of them, or entities in the text."""
    if form.one_label:
        return "one"
    return "places" if form.has_places else "several"


def label_text(
    context: DashboardContext,
    request: Request,
    *,
    csrf_token: FormText = "",
    answer: FormText = "",
    prediction: FormText = "",
    topic: FormText = "",
    labels: FormTexts = (),
    spans: FormText = "",
) -> Response:
    """Store a label or a skip, or take the newest one back, and show the next text.

    With `save` the answer is `spans`, as JSON, or else the chosen `labels`, of which there may be none.
    """
    session, rejection = _admit_annotator(context, request)
    if session is None:
        return rejection or redirect(request, "/sign-in")
    if rejection := reject_forged_form(context, request, session, csrf_token):
        return rejection
    query = {"topic": topic} if topic else {}
    try:
        if answer == UNDO:
            shown = audit_labels.undo_label(context.workspace, annotator(session))
            query |= {"show": f"{shown.request}/{shown.position}"} if shown else {}
        elif answer == SKIP:
            audit_labels.skip_text(context.workspace, _key(prediction), annotator=annotator(session))
        elif answer == SAVE:
            _record(context, session, _key(prediction), spans or join_labels(labels))
        else:
            _record(context, session, _key(prediction), answer.removeprefix(LABEL))
    except TonewatchError as error:
        return render_message(
            request, "Not stored", [str(error)], status=status_of(error), back="/labels", session=session
        )
    path = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return redirect(request, f"/labels?{path}" if path else "/labels")


def _record(context: DashboardContext, session: Session, key: tuple[str, int], label: str) -> None:
    counted, answer = audit_labels.record_answer(context.workspace, key, label, annotator=annotator(session))
    if counted != answer:
        raise UsageError(f"This text has your label {counted} already. To change it, undo it first.")


def annotator(session: Session) -> str:
    """Return who labels, as it is stored with each label."""
    return f"{session.name} ({session.key})"


def _key(prediction: str) -> tuple[str, int]:
    request, _, position = prediction.rpartition("/")
    # What is none of ours names no drawn prediction, and is answered like one that is past its retention.
    return request, int(position) if position.isascii() and position.isdigit() and len(position) < 10 else -1


def _admit_annotator(context: DashboardContext, request: Request) -> tuple[Session | None, Response | None]:
    """Return the session of a person who may label, or the response that rejects the request."""
    session, rejection = admit_reader(context, request)
    if session is None or session.can_label:
        return session, rejection
    sentences = [
        f"The key {session.name} lacks the scope label, which this page requires.",
        "Create one with `tonewatch keys new --name NAME --scope label`.",
    ]
    return None, render_message(request, "Not allowed", sentences, status=403, session=session)


ROUTES: Mapping[tuple[str, str], Callable[..., Response]] = {
    ("GET", "/labels"): label_page,
    ("POST", "/labels"): label_text,
}
