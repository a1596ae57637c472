"""A small hub on loopback: the few endpoints that are asked for the files of a data set or a model."""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Files = dict[str, bytes]


class HubServer:
    """`files` holds the files of each data set or model at COMMIT; `asked` every request."""

    def __init__(self, files: dict[str, Files]) -> None:
        self.files = files
        self.asked: list[str] = []
        outer = self

        class Handle(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                length = int(self.headers.get("Content-Length") or 0)
                form = parse_qs(self.rfile.read(length).decode())
                status, headers, content = outer.reply(unquote(urlsplit(self.path).path), form)
                first, last = 0, len(content)
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                if status == 200 and asked:
                    first, last = int(asked[1]), min(int(asked[2] or last) + 1, last)
                    headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(content)}"
                    status = 206
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(last - first)}).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    with contextlib.suppress(OSError):
                        self.wfile.write(content[first:last])

            do_GET = do_POST = do_HEAD  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handle)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def reply(self, path: str, form: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a path."""
        pattern = (
            r"/(?:api/)?(?:datasets/|models/)?([^/]+/[^/]+)/(resolve|revision|tree|paths-info)/([^/]+)/?(.*)"
        )
        match = re.fullmatch(pattern, path)
        if match is None:
            return _missing("EntryNotFound")
        name, what, revision, rest = match.groups()
        if name not in self.files:
            return _missing("RepoNotFound")
        if revision != COMMIT:
            return _missing("RevisionNotFound")
        files = self.files[name]
        if what == "resolve":
            if rest not in files:
                return _missing("EntryNotFound")
            return 200, {"ETag": f'"{_oid(files[rest])}"', "X-Repo-Commit": COMMIT}, files[rest]
        if what == "revision":
            siblings = [{"rfilename": path} for path in files]
            return _json({"id": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False})
        known = _entries(files)
        if what == "paths-info":
            return _json([known[path] for path in form.get("paths", []) if path in known])
        below = [one for path, one in known.items() if str(Path(path).parent) == (rest or ".")]
        return _json(below) if below else _missing("EntryNotFound")


@contextlib.contextmanager
def running_hub(files: dict[str, Files]) -> Iterator[HubServer]:
    """Yield a hub that is stopped at the end."""
    hub = HubServer(files)
    try:
        yield hub
    finally:
        hub.stop()


def _entries(files: Files) -> dict[str, dict[str, object]]:
    """Return the files and folders of a data set as the hub lists them, by path."""
    entries: dict[str, dict[str, object]] = {}
    for path, content in files.items():
        entries[path] = {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}
        for folder in list(Path(path).parents)[:-1]:
            entries[str(folder)] = {"type": "directory", "path": str(folder), "oid": _oid(b"")}
    return entries


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _json(document: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()


def _missing(code: str) -> tuple[int, dict[str, str], bytes]:
    return 404, {"X-Error-Code": code, "X-Error-Message": code}, b"{}"
