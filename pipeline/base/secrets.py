"""Secrets are taken out of every message before it leaves the process, whoever wrote the message."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlsplit

MASK = "***"
# Up to the last "@": a password may hold one itself.
USER_INFO = re.compile(r"(?<=://)[^\s'\"<>]{1,2000}@")
# As in a query or in a connection string of PostgreSQL.
NAMED = re.compile(
    r"(?i)((?:password|passwd|secret|token|api_?key|access_?key|auth_string|\bpwd)=)[^\s&'\";,)]+"
)
CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}")
SECRET_NAMES = re.compile(r"(?i)(password|passwd|secret|token|key|auth_string)$")
# Variables that hold addresses; their passwords may be repeated without the address.
ADDRESSES = re.compile(r"(?i)(_uri|_url|_proxy|_endpoint|^TONEWATCH_(LEDGER|ALERTS|DASHBOARD))$")
KEY_FILES = ("TONEWATCH_SIGNING_KEY", "TONEWATCH_VERIFY_KEY")  # they hold paths
MIN_LENGTH = 6  # a shorter value would also be masked inside ordinary words
_KNOWN: set[str] = set()


def scrub(message: str) -> str:
    """Return a message without user info of addresses, credentials, and secrets of the environment."""
    for secret in sorted(_KNOWN, key=len, reverse=True):
        message = message.replace(secret, MASK)
    message = USER_INFO.sub(f"{MASK}@", message)
    message = NAMED.sub(rf"\1{MASK}", message)
    return CREDENTIALS.sub(rf"\1 {MASK}", message)


def remember_secrets(environment: Mapping[str, str]) -> None:
    """Remember the secrets among the variables of this process, so that `scrub` knows them."""
    _KNOWN.update(_forms(find_secrets(environment)))


def remember_address(address: str) -> None:
    """Remember the password in an address, so that `scrub` knows it."""
    _KNOWN.update(_forms(_passwords(address)))


def remember_secret(value: str) -> None:
    """Remember a secret, also without the word before it as in `Bearer KEY`, so that `scrub` knows it."""
    _KNOWN.update(_forms({value, value.split()[-1]} if value.split() else ()))


def find_secrets(environment: Mapping[str, str]) -> set[str]:
    """Return the values of variables that hold a secret, and the passwords of those that hold addresses."""
    secrets = set()
    for name, value in environment.items():
        if ADDRESSES.search(name):
            for address in value.split():
                secrets |= _passwords(address)
        elif SECRET_NAMES.search(name) and name not in KEY_FILES:
            secrets.add(value)
    return {secret for secret in secrets if len(secret) >= MIN_LENGTH}


def _passwords(address: str) -> set[str]:
    try:
        password = urlsplit(address).password
    except ValueError:
        return set()
    return {password} if password else set()


def _forms(secrets: Iterable[str]) -> set[str]:
    """Return secrets as they are written and as addresses encode them."""
    written = {form for secret in secrets for form in (secret, quote(secret, safe=""), unquote(secret))}
    return {form for form in written if len(form) >= MIN_LENGTH}
