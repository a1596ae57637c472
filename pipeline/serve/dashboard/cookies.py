"""The session cookie of the dashboard: unreadable for scripts, and not sent along by other sites."""

from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import Response

from pipeline.operations.dashboard.actions import Session, SessionStore

NAME = "tonewatch"


def cookie_name(request: Request) -> str:
    """Return the cookie's name; over https its prefix keeps other hosts and plain http from setting it."""
    return f"__Host-{NAME}" if request.url.scheme == "https" else NAME


def read_cookie(request: Request) -> str:
    """Return the session cookie, empty where there is none."""
    return request.cookies.get(cookie_name(request), "")


def current_session(request: Request, sessions: SessionStore) -> Session | None:
    """Return the session of a request; its key is checked again each time."""
    return sessions.find(read_cookie(request), now=datetime.now(UTC))


def session_key(request: Request, sessions: SessionStore) -> str:
    """Return the id of the key of a request's session, empty without one."""
    session = current_session(request, sessions) if read_cookie(request) else None
    return session.key if session else ""


def set_cookie(request: Request, response: Response, cookie: str, *, minutes: int) -> None:
    """Set the session cookie."""
    response.set_cookie(
        cookie_name(request),
        cookie,
        max_age=minutes * 60,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def delete_cookie(request: Request, response: Response) -> None:
    """Delete the session cookie."""
    secure = request.url.scheme == "https"
    response.delete_cookie(cookie_name(request), path="/", secure=secure, httponly=True, samesite="strict")
