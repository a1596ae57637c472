"""Protect forms against cross-site request forgery (CSRF).

A form must come from this very host, by the headers that browsers write (Fetch Metadata, Origin), and carry a
token bound to the session (OWASP: HMAC-based token pattern). The session cookie is SameSite=strict besides.

asgi-csrf is weaker. Its token is not bound to a session: another program on the same host can plant a cookie
and the matching token, as cookies ignore ports. Requests without cookies pass unchecked.
"""

import hmac
from urllib.parse import urlsplit

from fastapi import Request

from pipeline.operations.dashboard_actions import Session

PORTS = {"http": 80, "https": 443}


def is_own_form(request: Request, session: Session | None, token: str) -> bool:
    """Return whether a form was sent by our own page, in this session where there is one."""
    return is_same_origin(request) and (session is None or is_valid_token(session, token))


def is_same_origin(request: Request) -> bool:
    """Return whether a request comes from a page of this service; without an Origin header it does not."""
    origin = urlsplit(request.headers.get("origin", ""))
    site = request.headers.get("sec-fetch-site", "same-origin")
    host = request.headers.get("host", "")
    return (
        origin.scheme in PORTS
        and site == "same-origin"
        and _without_default_port(origin.netloc, origin.scheme) == _without_default_port(host, origin.scheme)
    )


def is_valid_token(session: Session, token: str) -> bool:
    """Return whether a token is the session's, in constant time."""
    return hmac.compare_digest(session.csrf_token.encode(), token.encode("utf-8", "replace"))


def _without_default_port(host: str, scheme: str) -> str:
    return host.lower().removesuffix(f":{PORTS[scheme]}")
