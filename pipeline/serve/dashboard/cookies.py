"""The session cookie of the dashboard: unreadable for scripts, and not sent along by other sites."""

from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import Response

from pipeline.operations.dashboard.actions import Session, SessionStore


def cookie_name(request: Request, sessions: SessionStore) -> str:
    """Return the cookie's name; over https its prefix keeps other hosts and plain http from setting it."""
    return f"__Host-{sessions.cookie_name}" if request.url.scheme == "https" else sessions.cookie_name


def read_cookie(request: Request, sessions: SessionStore) -> str:
    """Return the session cookie, empty where there is none."""
    return request.cookies.get(cookie_name(request, sessions), "")


def current_session(request: Request, sessions: SessionStore) -> Session | None:
    """Return the session of a request; its key is checked again each time."""
    return sessions.find(read_cookie(request, sessions), now=datetime.now(UTC))


def session_key(request: Request, sessions: SessionStore) -> str:
    """Return the id of the key of a request's session, empty without one."""
    session = current_session(request, sessions) if read_cookie(request, sessions) else None
    return session.key if session else ""


def set_cookie(
    request: Request, response: Response, sessions: SessionStore, cookie: str, *, minutes: int
) -> None:
    """Set the session cookie."""
    response.set_cookie(
        cookie_name(request, sessions),
        cookie,
        max_age=minutes * 60,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def delete_cookie(request: Request, response: Response, sessions: SessionStore) -> None:
    """Delete the session cookie."""
    secure, name = request.url.scheme == "https", cookie_name(request, sessions)
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")
