"""Hosts as HTTP headers name them, read strictly: what is malformed is no host."""

import ipaddress
import re
from typing import NamedTuple

HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?)(?::([0-9]{1,5}))?"
)


class Host(NamedTuple):
    """A host name or address in lower case without brackets, and its port where one is named."""

    name: str
    port: int | None

    @property
    def is_loopback(self) -> bool:
        """Return whether it names this machine: localhost, 127.0.0.0/8 or ::1."""
        return is_loopback(self.name)


def parse_host(header: str) -> Host | None:
    """Parse the value of a Host header; None where it is malformed."""
    match = HOST.fullmatch(header)
    if match is None:
        return None
    if match[1].startswith("[") and not _is_address(match[1].strip("[]")):
        return None
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        return None
    return Host(match[1].strip("[]").lower(), port)


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Return whether a host name or an address, without a port, is a loopback one."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
