"""Structured logs on stderr: an event and its fields, never a text and never a secret."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import structlog

# Loggers that tell what nobody asked; the last one, that torchvision is not installed.
SILENCED = (
    *(
        "httpx",
        "httpcore",
        "urllib3",
        "alembic",
        "mlflow",
        "prefect",
        "dvc",
        "great_expectations",
        "asyncio",
        "ray.train",
    ),
    "torch.onnx._internal.exporter._registration",
)


def configure(*, json: bool, debug: bool) -> None:
    """Send events to stderr, as lines for people or as JSON for machines."""
    render: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if not json else "iso"),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        # Asked anew each time: a door or a test may have put another stream in its place.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.ERROR)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Give the logger of one room."""
    return structlog.stdlib.get_logger(room=name)


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal and nothing elsewhere; the caller says how much is done."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
