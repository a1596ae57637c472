"""Structured logs on stderr: an event and its fields, never a text and never a secret."""

import logging
import sys
from typing import Any

import structlog

SILENCED = ("httpx", "httpcore", "urllib3", "alembic", "mlflow", "prefect", "dvc", "great_expectations", "asyncio")


def configure(*, json: bool, debug: bool) -> None:
    """Send events to stderr, as lines for people or as JSON for machines."""
    render: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if not json else "iso"),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.ERROR)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Give the logger of one room."""
    return structlog.stdlib.get_logger(room=name)  # type: ignore[no-any-return]
