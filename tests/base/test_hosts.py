"""Hosts as headers name them: what is malformed is no host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.hosts import Host, is_loopback, parse_host


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", Host("localhost", None)),
        ("LocalHost:8000", Host("localhost", 8000)),
        ("127.8.8.8:1", Host("127.8.8.8", 1)),
        ("[::1]:8000", Host("::1", 8000)),
        ("tone.example", Host("tone.example", None)),
        ("xn--bcher-kva.example:443", Host("xn--bcher-kva.example", 443)),
    ],
)
def test_a_host_has_a_name_and_a_port(header: str, host: Host) -> None:
    assert parse_host(header) == host


@pytest.mark.parametrize(
    "header",
    [
        *("", " ", ":", ":80", "localhost:", "localhost:0", "localhost:65536", "localhost:8o", "a:1:2"),
        *("user@localhost", "localhost/health", "localhost?x", "localhost#x", "localhost\\x", "local host"),
        *(
            "localhost\n",
            "[::::]",
            "[1.2.3.4]",
            "localhost\0",
            "[::1",
            "::1",
            "[localhost]",
            "-a",
            "a-",
            "lоcalhost",
            "a" * 300,
        ),
    ],
)
def test_what_is_malformed_is_no_host(header: str) -> None:
    assert parse_host(header) is None


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "127.255.255.254", "::1", "[::1]"])
def test_loopback_names_and_addresses(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "example.org", "localhost.example.org", "127.0.0.1.nip.io", "0.0.0.0", "::2", "localhost@a"),
        *("2130706433", "0x7f000001", "127.1", "localhost\0", "::ffff:198.51.100.7", "127.0.0.1:80"),
    ],
)
def test_other_names_and_addresses_are_no_loopback(name: str) -> None:
    assert not is_loopback(name)


@given(st.text(max_size=40))
def test_a_parsed_host_is_part_of_its_header(header: str) -> None:
    host = parse_host(header)

    assert host is None or host.name in header.lower()
