"""Who sits before the browser, and whether a form is our own: the cookie, its token, and where a request says it comes from.

Three things stand between a signed-in person and a forged form: the cookie that is not sent along from other sites (SameSite), the
token that only our own page knows, and the Origin that the browser itself writes.
"""

import hmac
from datetime import UTC, datetime
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from pipeline.operations.dashboard_actions import Session, SessionStore

COOKIE = "tonewatch"
PORTS = {"http": 80, "https": 443}


def cookie_name(request: Request) -> str:
    """Name the cookie; over https a browser keeps one of this name from being set by anybody else."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE


def cookie_of(request: Request) -> str:
    """Give what the browser sends as its session, empty where it sends none."""
    return request.cookies.get(cookie_name(request), "")


def current_session(request: Request, sessions: SessionStore) -> Session | None:
    """Say who is signed in, their key looked at anew."""
    return sessions.find(cookie_of(request), now=datetime.now(UTC))


def sign_in(request: Request, response: Response, cookie: str, *, minutes: int) -> None:
    """Give the browser its session: out of reach of scripts, and not sent along from any other site."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        cookie_name(request),
        cookie,
        max_age=minutes * 60,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def sign_out(request: Request, response: Response, sessions: SessionStore) -> None:
    """End the session here and in the browser."""
    sessions.close(cookie_of(request))
    response.delete_cookie(
        cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict"
    )


def is_same_origin(request: Request) -> bool:
    """Say whether a form was sent by a page of this very service; a request that does not say where it comes from was not."""
    origin = urlsplit(request.headers.get("origin", ""))
    site = request.headers.get("sec-fetch-site", "same-origin")
    host = request.headers.get("host", "")
    return (
        origin.scheme in PORTS
        and site == "same-origin"
        and _plain(origin.netloc, origin.scheme) == _plain(host, origin.scheme)
    )


def is_valid_token(reader: Session, token: str) -> bool:
    """Say whether a form carries the token of this session."""
    return hmac.compare_digest(reader.token.encode(), token.encode("utf-8", "replace"))


def _plain(place: str, scheme: str) -> str:
    return place.lower().removesuffix(f":{PORTS[scheme]}")
