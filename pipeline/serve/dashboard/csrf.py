"""Protect forms against cross-site request forgery (CSRF).

A form must come from this very host, by the headers that browsers write (Fetch Metadata, Origin), and carry a
token bound to the session (OWASP: HMAC-based token pattern). The session cookie is SameSite=strict besides.

asgi-csrf is weaker. Its token is not bound to a session: another program on the same host can plant a cookie
and the matching token, as cookies ignore ports. Requests without cookies pass unchecked.
"""

import hmac
from urllib.parse import urlsplit

from fastapi import Request

from pipeline.operations.dashboard.actions import Session

PORTS = {"http": 80, "https": 443}


def is_own_form(request: Request, session: Session | None, token: str, *, origin: str) -> bool:
    """Return whether a form was sent by our own page, in this session where there is one.

    `origin` is that of the public address, empty without one: a proxy may pass another Host header on.
    """
    return is_same_origin(request, public=origin) and (session is None or is_valid_token(session, token))


def is_same_origin(request: Request, *, public: str = "") -> bool:
    """Return whether a request comes from a page of this service; without an Origin header it does not."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    try:
        origin = _normalized(request.headers.get("origin", ""))
    except ValueError:
        return False
    scheme = origin.partition("://")[0]
    own = [f"{scheme}://{request.headers.get('host', '')}", *filter(None, [public])]
    return scheme in PORTS and any(origin == _normalized(one) for one in own)


def is_valid_token(session: Session, token: str) -> bool:
    """Return whether a token is the session's, in constant time."""
    return hmac.compare_digest(session.csrf_token.encode(), token.encode("utf-8", "replace"))


def _normalized(origin: str) -> str:
    """Return an origin in lower case and without the port that its scheme implies."""
    parts = urlsplit(origin.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix(f':{PORTS.get(parts.scheme)}')}"
