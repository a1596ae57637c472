"""Where a package index may lead: to which schemes, addresses and folders, and who gets its credentials."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

Zone = Literal["public", "private", "link-local", "loopback"]
# What an index in one zone may lead to: never deeper inside than it is itself. A cloud keeps its machines'
# secrets at a link-local address.
REACHABLE: dict[Zone, frozenset[Zone]] = {
    "public": frozenset({"public"}),
    "private": frozenset({"public", "private"}),
    "link-local": frozenset({"public", "link-local"}),
    "loopback": frozenset({"public", "private", "loopback"}),
}
DEFAULT_PORTS = {"http": 80, "https": 443}
# IPv6 addresses that translators send on to the IPv4 address in their last 32 bits (RFC 6052).
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class FetchFailed(Exception):
    """An index cannot serve a file, or may not in this way; the message is the reason."""


@dataclass(frozen=True)
class Index:
    """A configured index; its address ends with "/" and has no user info."""

    url: str
    credentials: tuple[str, str] | None

    @cached_property
    def parts(self) -> SplitResult:
        """Return the parts of the address."""
        return urlsplit(self.url)

    @cached_property
    def zone(self) -> Zone:
        """Return the innermost zone that the host has an address in; public when it has none."""
        zones = {zone(address) for address in _addresses(self.parts.hostname or "")}
        return next((one for one in ("loopback", "link-local", "private") if one in zones), "public")

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Return the folders of a `file://` index; mirrors keep their files beside `simple/`."""
        folder = local_path(self.url)
        beside = folder.parent if folder.name == "simple" else folder
        # Beside /simple lies the whole disk.
        return (folder,) if beside == Path(beside.anchor) else (folder, beside)

    def credentials_for(self, url: str) -> tuple[str, str] | None:
        """Return the index's credentials for an address of its own host, scheme and port, else None.

        Over plain HTTP they go to this machine only.
        """
        parts = urlsplit(url)
        if _origin(parts) != _origin(self.parts):
            return None
        return self.credentials if parts.scheme == "https" or is_loopback(parts.hostname or "") else None


def parse_index(url: str) -> Index:
    """Separate the address of an index from its credentials."""
    parts = urlsplit(url)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return Index(
        without_credentials(url).rstrip("/") + "/", (unquote(user), unquote(password)) if user else None
    )


def without_credentials(url: str) -> str:
    """Return an address without its user info, also one that cannot be parsed."""
    return re.sub(r"^([^/?#]*//)[^/?#]*@", r"\1", url)


def printable(text: str) -> str:
    """Return what an index wrote without characters that move a terminal's cursor."""
    return repr(text)[1:-1]


def check_url(url: str, index: Index, *, previous: str) -> None:
    """Raise FetchFailed unless an index may lead from one address to another, by a link or a redirect."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        _check_path(url, index)
        return
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise FetchFailed(f"names an address without https, http or file ({parts.scheme or 'no scheme'})")
    if parts.scheme == "http" and urlsplit(previous).scheme == "https":
        raise FetchFailed(f"leads from https to plain http ({_shown(parts)})")
    for address in _literal_addresses(parts.hostname):
        check_address(address, index, host=parts.hostname)


def check_address(address: str, index: Index, *, host: str) -> None:
    """Raise FetchFailed unless an index may lead to a numeric address, which belongs to `host`."""
    found = zone(address)
    if found != "public" and found not in REACHABLE[index.zone]:
        raise FetchFailed(f"leads to a {found} address ({printable(host)})")


def zone(address: str) -> Zone:
    """Return how far a numeric address reaches."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour
        if number in NAT64:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        number = inner or number
    if number.is_loopback or number.is_unspecified:
        return "loopback"
    if number.is_link_local:
        return "link-local"
    return "public" if number.is_global and not number.is_multicast else "private"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name or number alone, without asking DNS."""
    return any(zone(address) == "loopback" for address in _literal_addresses(host))


def local_path(url: str) -> Path:
    """Return the resolved path of a `file://` address.

    Raises FetchFailed for one on another machine.
    """
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise FetchFailed(f"names a file of another machine ({printable(parts.netloc)})")
    try:
        return Path(url2pathname(parts.path)).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL, a circle of links
        raise FetchFailed(f"names no path ({type(error).__name__})") from error


def _check_path(url: str, index: Index) -> None:
    if index.parts.scheme != "file":
        raise FetchFailed("leads to a file of this machine")
    path = local_path(url)
    if not any(path.is_relative_to(folder) for folder in index.folders):
        raise FetchFailed(f"leads to a file outside of {index.folders[-1]}")


def _literal_addresses(host: str) -> list[str]:
    """Return the numeric address that a host spells, as in 127.1 or 0x7f000001; none for other names."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return ["127.0.0.1"]
    try:
        return [str(ipaddress.ip_address(name.partition("%")[0]))]
    except ValueError:
        pass
    try:
        return [socket.inet_ntoa(socket.inet_aton(name))]
    except (OSError, UnicodeError, ValueError):
        return []


def _addresses(host: str) -> list[str]:
    if literal := _literal_addresses(host):
        return literal
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None)]
    except (OSError, UnicodeError):
        return []


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _shown(parts: SplitResult) -> str:
    return printable(without_credentials(urlunsplit(parts._replace(query="", fragment=""))))
