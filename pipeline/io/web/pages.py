"""What an address of a source serves, and what a later request for it can be made conditional with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urljoin

from requests.utils import parse_header_links

from pipeline.io.web.adapter import Interrupted
from pipeline.io.web.index_rules import Index, Zone


@dataclass(frozen=True)
class Site(Index):
    """The host of a source; it may lead to private addresses only where params.yaml says so."""

    private: bool = False

    @cached_property
    def zone(self) -> Zone:
        """Return the zone from which addresses are reached."""
        return "loopback" if self.private else "public"


@dataclass(frozen=True)
class Validators:
    """What a server named to tell later whether a page changed; empty where it named nothing."""

    etag: str = ""
    modified: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of a conditional request."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class Page:
    """What an address serves, whole, after redirects; `content` is None where it did not change (304)."""

    url: str
    content: bytes | None
    headers: Mapping[str, str]

    @property
    def validators(self) -> Validators:
        """Return what a later request can be made conditional with."""
        return Validators(self.headers.get("ETag", ""), self.headers.get("Last-Modified", ""))

    @property
    def next_link(self) -> str:
        """Return the address that the Link header names as the next page, empty where it names none."""
        links = parse_header_links(self.headers.get("Link", ""))
        return next((urljoin(self.url, one["url"]) for one in links if one.get("rel") == "next"), "")


class AskLater(Interrupted):
    """The server asks to come back, after so many seconds where it says so."""

    def __init__(self, reason: str, seconds: float | None) -> None:
        super().__init__(reason)
        self.seconds = seconds
