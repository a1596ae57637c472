"""Hostile package indexes on real servers: each is refused with a reason, and nothing of it stays."""

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.base.config import PinnedFile
from pipeline.base.errors import DigestMismatch, SourceUnreachable
from pipeline.io.sources.packages import fetch_pinned_file
from pipeline.io.web.guarded_http import IndexSession
from pipeline.io.web.index_rules import FetchFailed, check_url, parse_index, without_credentials, zone
from pipeline.io.web.pip_settings import PipSettings

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PINNED = PinnedFile(project="some-texts", sha256=SHA256, members=("a",), max_megabytes=1)
TYPE = "application/vnd.pypi.simple.v1+json"

Handler = BaseHTTPRequestHandler
Reply = Callable[[Handler], None]


class Server:
    """An index on loopback whose replies are set by path; it records paths and credentials."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handle(Handler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers["Authorization"]))
                with contextlib.suppress(OSError):  # the client hung up, as it should
                    outer.replies.get(self.path, lambda one: one.send_error(404))(self)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handle)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/simple"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def lists(self, url: str = "/f", size: int | None = None) -> None:
        """List the pinned file at an address."""
        file = {"filename": "some-texts-1.0.zip", "url": url, "hashes": {"sha256": SHA256}}
        page = {"meta": {"api-version": "1.1"}, "name": "some-texts", "files": [file], "versions": ["1.0"]}
        page["files"] = [file | ({} if size is None else {"size": size})]
        self.replies["/simple/some-texts/"] = body(json.dumps(page).encode(), TYPE)


def body(content: bytes, kind: str = "application/zip", length: int | None = None) -> Reply:
    def reply(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def redirect(location: str, status: int = 302, *, endless: bool = False) -> Reply:
    def reply(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Location", location)
        handler.end_headers()
        while endless:
            handler.wfile.write(bytes(65_536))

    return reply


def endless(handler: Handler, *, pause: float = 0.0, size: int = 65_536) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(size))
        time.sleep(pause)


def dripping_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: 1\r\n")
        time.sleep(0.2)


def endless_chunks(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        handler.wfile.write(b"10000\r\n" + bytes(65_536) + b"\r\n")


def retry_later(handler: Handler) -> None:
    handler.send_response(503)
    handler.send_header("Retry-After", "100000")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", server.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_PROXY", "PIP_CERT", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server.lists()
    server.replies["/f"] = body(CONTENT)
    yield server
    server.server.shutdown()
    server.server.server_close()


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "d").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (endless, "serves more than the 1,000,000 bytes that are allowed; raise its `max_megabytes`"),
        (endless_chunks, "serves more than the 1,000,000 bytes"),
        (lambda one: endless(one, pause=0.1, size=1), "does not finish within 4 s|is too slow"),
        (dripping_headers, "does not finish within 4 s"),
        (body(b"x", length=400_000_000), "announces 400,000,000 bytes"),
        (body(b"x", length=10**400), "announces"),
        (body(CONTENT[:-1], length=len(CONTENT)), "broke off"),
        (retry_later, "responds with status 503|does not finish within 4 s"),
        (redirect("/f"), "redirects more than 5 times"),
        (redirect("/f", endless=True), "redirects more than 5 times"),
        (redirect("file:///etc/passwd"), "leads to a file of this machine"),
        (redirect("file://localhost/etc/passwd", 307), "leads to a file of this machine"),
        (redirect("ftp://example.com/f"), r"names an address without https, http or file \(ftp\)"),
        (redirect("http://169.254.169.254/latest/meta-data"), r"leads to a link-local address \(169.254"),
        (redirect("http://[fe80::1]/f"), "leads to a link-local address"),
        (redirect("http://[::ffff:169.254.169.254]/f"), "leads to a link-local address"),
        (redirect("http://[nonsense/f"), "malformed"),
        (redirect(""), "redirects more than 5 times"),
    ],
)
def test_a_hostile_file_is_refused_and_leaves_nothing(
    server: Server, tmp_path: Path, reply: Reply, reason: str
) -> None:
    server.replies["/f"] = reply
    start = time.monotonic()

    with pytest.raises(SourceUnreachable, match=reason):
        fetch_pinned_file(PINNED, tmp_path / "d", seconds=4)
    assert time.monotonic() - start < 30
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "leads to a file of this machine"),
        ("http://169.254.169.254/f", "leads to a link-local address"),
        ("data:text/plain,x", r"names an address without https, http or file \(data\)"),
    ],
)
def test_a_hostile_link_on_the_page_is_refused(server: Server, tmp_path: Path, url: str, reason: str) -> None:
    server.lists(url)

    with pytest.raises(SourceUnreachable, match=reason):
        fetch_pinned_file(PINNED, tmp_path / "d", seconds=5)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (endless, "serves more than the 10,000,000 bytes"),
        (body(b"[" * 100_000, TYPE), "is not a package index"),
        (body(b'{"files": 1}', TYPE), "is not a package index"),
        (body(b"\xff\xfe", TYPE), "is not a package index"),
        (body(b"\xff<a href='x'>", "text/html"), "has 1 files of some-texts, none with this SHA-256"),
        (redirect("file:///etc/passwd"), "leads to a file of this machine"),
        (lambda one: one.send_error(401), "responds with status 401"),
    ],
)
def test_a_hostile_page_is_refused(server: Server, tmp_path: Path, reply: Reply, reason: str) -> None:
    server.replies["/simple/some-texts/"] = reply

    with pytest.raises(SourceUnreachable, match=reason):
        fetch_pinned_file(PINNED, tmp_path / "d", seconds=20)


def test_more_bytes_than_the_index_lists_are_not_stored(server: Server, tmp_path: Path) -> None:
    server.lists(size=len(CONTENT))
    server.replies["/f"] = endless

    with pytest.raises(SourceUnreachable, match=r"serves more than the 10,240 bytes that are allowed\n"):
        fetch_pinned_file(PINNED, tmp_path / "d", seconds=20)


def test_a_wrong_byte_at_the_end_is_refused(server: Server, tmp_path: Path) -> None:
    server.replies["/f"] = body(CONTENT[:-1] + b"!")

    with pytest.raises(DigestMismatch, match="not the pinned"):
        fetch_pinned_file(PINNED, tmp_path / "d", seconds=20)
    assert left(tmp_path) == []


def test_five_redirects_lead_to_the_file(server: Server, tmp_path: Path) -> None:
    server.replies |= {"/f": redirect("/1")} | {f"/{n}": redirect(f"/{n + 1}") for n in range(1, 5)}
    server.replies["/5"] = body(CONTENT)

    assert fetch_pinned_file(PINNED, tmp_path / "d", seconds=20).read_bytes() == CONTENT


def test_the_next_index_is_tried_after_a_hostile_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Server()
    good.lists()
    good.replies["/f"] = body(CONTENT)
    server.replies["/f"] = endless
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", good.url)

    assert fetch_pinned_file(PINNED, tmp_path / "d", seconds=20).read_bytes() == CONTENT
    good.server.shutdown()
    good.server.server_close()


def test_credentials_go_to_the_index_and_to_nobody_else(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Server()
    other.replies["/f"] = redirect(f"http://x:y@{server.host}/back")
    server.replies["/back"] = body(CONTENT)
    server.lists(f"http://{other.host}/f")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text("default login me password stolen\n")
    (tmp_path / "home" / ".netrc").chmod(0o600)
    monkeypatch.setenv("PIP_INDEX_URL", server.url.replace("//", "//me:p%40ss@"))

    fetch_pinned_file(PINNED, tmp_path / "d", seconds=20)

    basic = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert server.asked == [("/simple/some-texts/", basic), ("/back", basic)]
    assert other.asked == [("/f", None)]
    other.server.shutdown()
    other.server.server_close()


def test_the_credentials_of_netrc_are_those_of_the_index(server: Server, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    (tmp_path / "home" / ".netrc").chmod(0o600)

    fetch_pinned_file(PINNED, tmp_path / "d", seconds=20)

    assert {credentials for _, credentials in server.asked} == {
        "Basic " + base64.b64encode(b"me:mine").decode()
    }


def test_this_machine_is_asked_without_the_proxy_that_is_configured(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")

    assert fetch_pinned_file(PINNED, tmp_path / "d", seconds=20).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "proxy"),
    [
        *((name, "http://me:secret@127.0.0.1:9") for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY")),
        ("HTTP_PROXY", "socks5://me:secret@127.0.0.1:9"),
        ("http_proxy", "socks5h://127.0.0.1:9"),
        ("ALL_PROXY", "socks://x"),
        ("all_proxy", "::"),
    ],
)
def test_a_proxy_that_fails_is_named_by_its_variable(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@index.test/simple")
    monkeypatch.setenv(name, proxy)

    with pytest.raises(SourceUnreachable, match=rf"Check {name}: .*\bPIP_INDEX_URL\b") as unreachable:
        fetch_pinned_file(PINNED, tmp_path / "d", seconds=20)
    assert "secret" not in str(unreachable.value)


@pytest.fixture
def folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "mirror" / "simple" / "some-texts"
    project.mkdir(parents=True)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "mirror" / "simple").as_uri())
    (tmp_path / "secret").write_bytes(CONTENT)
    return project


@pytest.mark.parametrize("link", ["x.zip", "../../files/x.zip", "../../files/link.zip"])
def test_a_folder_that_is_an_index_may_lead_beside_simple(folder: Path, tmp_path: Path, link: str) -> None:
    files = tmp_path / "mirror" / "files"
    files.mkdir()
    for place in (folder, files):
        (place / "x.zip").write_bytes(CONTENT)
    (files / "link.zip").symlink_to("x.zip")
    (folder / "index.html").write_text(f'<a href="{link}#sha256={SHA256}">some-texts-1.0.zip</a>')

    assert fetch_pinned_file(PINNED, tmp_path / "d", seconds=20).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("../../../secret", "leads to a file outside of"),
        ("%2e%2e/%2e%2e/%2e%2e/secret", "leads to a file outside of"),
        ("link.zip", "leads to a file outside of"),
        ("file://elsewhere/f", r"names a file of another machine \(elsewhere\)"),
        ("gone.zip", "has no file"),
        ("pipe.zip", "has no file"),
        ("big.zip", "serves more than the 1,000,000 bytes"),
        ("a%00b.zip", "names no path"),
    ],
)
def test_a_folder_that_is_an_index_leads_nowhere_else(
    folder: Path, tmp_path: Path, link: str, reason: str
) -> None:
    import os

    (folder / "link.zip").symlink_to(tmp_path / "secret")
    (folder / "big.zip").write_bytes(bytes(2_000_000))
    os.mkfifo(folder / "pipe.zip")
    (folder / "index.html").write_text(f'<a href="{link}#sha256={SHA256}">some-texts-1.0.zip</a>')

    with pytest.raises(SourceUnreachable, match=reason):
        fetch_pinned_file(PINNED, tmp_path / "d", seconds=20)


@pytest.mark.parametrize(
    ("index", "url", "reason"),
    [
        ("https://93.184.215.14/simple", "http://93.184.215.14/f", "from https to plain http"),
        ("https://93.184.215.14/simple", "https://127.0.0.1/f", "loopback"),
        ("https://93.184.215.14/simple", "https://localhost./f", "loopback"),
        ("https://93.184.215.14/simple", "https://a.localhost/f", "loopback"),
        ("https://93.184.215.14/simple", "https://127.1/f", "loopback"),
        ("https://93.184.215.14/simple", "https://2130706433/f", "loopback"),
        ("https://93.184.215.14/simple", "https://0x7f.1/f", "loopback"),
        ("https://93.184.215.14/simple", "https://[::]/f", "loopback"),
        ("https://93.184.215.14/simple", "https://[64:ff9b::7f00:1]/f", "loopback"),
        ("https://93.184.215.14/simple", "https://10.0.0.1/f", "private"),
        ("https://93.184.215.14/simple", "https://[fd00::1]/f", "private"),
        ("https://93.184.215.14/simple", "https://100.100.100.200/f", "private"),
        ("http://10.0.0.1/simple", "http://127.0.0.1/f", "loopback"),
        ("http://10.0.0.1/simple", "http://169.254.169.254/f", "link-local"),
        ("file:///srv/simple", "http://127.0.0.1/f", "loopback"),
        ("http://10.0.0.1/simple", "http://10.0.0.2/f", None),
        ("http://127.0.0.1/simple", "http://10.0.0.2/f", None),
        ("http://10.0.0.1/simple", "https://93.184.215.14/f", None),
    ],
)
def test_an_index_leads_only_outwards(index: str, url: str, reason: str | None) -> None:
    one = parse_index(index)

    if reason is None:
        check_url(url, one, previous=one.url)
    else:
        with pytest.raises(FetchFailed, match=reason):
            check_url(url, one, previous=one.url)


@pytest.mark.parametrize(
    ("index", "url", "sent"),
    [
        ("https://me:pw@a.test/simple", "https://a.test/f", True),
        ("https://me:pw@a.test/simple", "https://a.test:443/f", True),
        ("https://me:pw@a.test/simple", "https://A.test/f", True),
        ("https://me:pw@a.test/simple", "https://a.test:444/f", False),
        ("https://me:pw@a.test/simple", "http://a.test/f", False),
        ("https://me:pw@a.test/simple", "https://b.test/f", False),
        ("https://me:pw@a.test/simple", "https://a.test.b.test/f", False),
        ("http://me:pw@a.test/simple", "http://a.test/f", False),
        ("http://me:pw@localhost:80/simple", "http://localhost/f", True),
        ("http://me:pw@[::1]:8080/simple", "http://[::1]:8080/f", True),
    ],
)
def test_credentials_stay_with_host_scheme_and_port(index: str, url: str, sent: bool) -> None:
    assert parse_index(index).credentials_for(url) == (("me", "pw") if sent else None)


@pytest.mark.parametrize("text", ["https://me:pw@a.test/s", "//me:pw@a.test/s", "https://me:p:w@x@a.test/s"])
def test_an_address_is_shown_without_its_password(text: str) -> None:
    assert re.sub(r"^https:", "", without_credentials(text)) == "//a.test/s"


def test_the_address_that_a_name_led_to_is_checked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # A name that leads inside is found only at the connection: DNS may answer twice, differently.
    port = server.server.server_port
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: real("127.0.0.1" if host == "rebound.test" else host, *rest, **more),
    )
    settings = PipSettings(("",), None, None, 5.0)
    session = IndexSession(parse_index("http://93.184.215.14/"), settings, deadline=time.monotonic() + 5)

    with session, pytest.raises(FetchFailed, match=r"leads to a loopback address \(rebound.test\)"):
        session.open(f"http://rebound.test:{port}/f", max_bytes=10).__enter__()
    assert server.asked == []


def test_zones_of_numeric_addresses() -> None:
    assert [zone(one) for one in ("8.8.8.8", "10.1.1.1", "::1", "fe80::1%eth0", "224.0.0.1")] == [
        "public",
        "private",
        "loopback",
        "link-local",
        "private",
    ]
