"""Structured logs on stderr: an event and its fields, never a text and never a secret."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping

import structlog

from pipeline.base.secrets import scrub

# Loggers of libraries that are noise below an error.
SILENCED = (
    "alembic",
    "asyncio",
    "dvc",
    "great_expectations",
    "httpcore",
    "httpx",
    "mlflow",
    "prefect",
    "ray.train",
    "urllib3",
)


def configure(*, json: bool, debug: bool) -> None:
    """Send events to stderr, as lines for people or as JSON for machines."""
    if json:
        renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if not json else "iso"),
            _scrub_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        # A function, because a caller or a test may have replaced the stream since.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.ERROR)
    if not isinstance(factory := logging.getLogRecordFactory(), _ScrubbedRecords):
        logging.setLogRecordFactory(_ScrubbedRecords(factory))


class _ScrubbedRecords:
    """Make the records that libraries log, without secrets in their message and their exception's text."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: object, **fields: object) -> logging.LogRecord:
        """Return a record; one that holds no secret is as its library made it."""
        record = self._make(*args, **fields)
        try:
            message = record.getMessage()
        except Exception:  # its handler says that the arguments do not fit
            return record
        if scrub(message) != message:
            _scrub(record)
        if record.exc_info:
            # A formatter takes this text, and does not make it again.
            record.exc_text = scrub(logging.Formatter().formatException(record.exc_info))
        return record


def _scrub(record: logging.LogRecord) -> None:
    """Take secrets out of the arguments, which some formatters take apart; else out of the whole message."""
    if isinstance(record.args, tuple):
        record.args = tuple(scrub(one) if isinstance(one, str) else one for one in record.args)
    message = record.getMessage()
    if (scrubbed := scrub(message)) != message:
        record.msg, record.args = scrubbed, None


def _scrub_event(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """Take secrets out of what a library's error or an address brings along."""
    return {name: scrub(value) if isinstance(value, str) else value for name, value in event.items()}


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one component."""
    return structlog.stdlib.get_logger(component=name)


@contextlib.contextmanager
def progress(task_name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal, and nothing elsewhere; call the yielded function with the count."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(task_name, total=total)
        yield lambda done: bar.update(task, completed=done)
