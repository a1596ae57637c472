"""Attacks on the ports that a running system opens: requests without its secret or from elsewhere."""

import base64
import http.client
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

import psutil

FOREIGN = "evil.example"
WRONG_BASIC = "Basic " + base64.b64encode(b"tonewatch:wrong").decode()


@dataclass(frozen=True)
class Attack:
    """One request, and the statuses that reject it."""

    name: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = field(default=())
    rejected: tuple[int, ...] = (303, 400, 401, 403, 404, 405)


@dataclass(frozen=True)
class Outcome:
    """The status of an attack, 0 for a closed connection, and the origin that may read the response."""

    status: int
    allowed_origin: str

    def rejects(self, attack: Attack) -> bool:
        """Return whether the request was rejected, and no page of another origin may read the response."""
        return self.status in (0, *attack.rejected) and not self.allowed_origin


# Reading, writing and running over each API that we start.
TARGETS = (
    ("POST", "/v1/predict"),
    ("POST", "/v1/feedback"),
    ("GET", "/v1/release"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/topics/phones"),
    ("GET", "/releases/R1"),
    ("POST", "/try"),
    ("POST", "/actions/rollback/R1"),
    ("POST", "/api/flow_runs/filter"),
    ("POST", "/api/deployments/filter"),
    ("PATCH", "/api/deployments/00000000-0000-0000-0000-000000000000"),
    ("POST", "/api/deployments/"),
    ("POST", "/api/variables/"),
    ("GET", "/api/admin/settings"),
    ("POST", "/api/admin/database/clear"),
    ("GET", "/api/version"),
    ("GET", "/docs"),
)
# Ways around a check that looks at a part of the path.
DETOURS = (
    "/api/variables/name/health",
    "/api/health/../admin/settings",
    "/api//admin/settings",
    "/api/admin/settings/",
)
DETOURS += (
    "/api/%61dmin/settings",
    "/healthz/../metrics",
    "/metrics/healthz",
    "/metrics;/healthz",
    "//metrics",
)


def attacks(port: int) -> Iterator[Attack]:
    """Yield every attack on one port."""
    own = f"127.0.0.1:{port}"
    for method, path in TARGETS:
        yield Attack("without a secret", method, path, (("Host", own),))
        yield Attack(
            "with a wrong key", method, path, (("Host", own), ("Authorization", f"Bearer tw_0_{'x' * 43}"))
        )
        yield Attack("with a wrong password", method, path, (("Host", own), ("Authorization", WRONG_BASIC)))
        yield Attack("to a foreign host", method, path, (("Host", FOREIGN),))
        yield Attack("from a foreign page", method, path, (("Host", own), ("Origin", f"http://{FOREIGN}")))
        yield Attack("from a sandboxed page", method, path, (("Host", own), ("Origin", "null")))
        preflight = (
            ("Host", own),
            ("Origin", f"http://{FOREIGN}"),
            ("Access-Control-Request-Method", method),
        )
        yield Attack("a preflight", "OPTIONS", path, preflight)
        forwarded = (("Host", own), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", own))
        yield Attack("forwarded", method, path, forwarded)
        yield Attack("with two hosts", method, path, (("Host", own), ("Host", FOREIGN)))
    for path in DETOURS:
        yield Attack("by a detour", "GET", path, (("Host", own),))
    for host in (f"{own}/api/health", f"{own}#", f"user@{own}", "127.1", f"localhost.{FOREIGN}:{port}"):
        yield Attack("with a malformed host", "GET", "/api/admin/settings", (("Host", host),))


def send(port: int, attack: Attack) -> Outcome:
    """Send an attack and return what came of it."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as line:
        try:
            line.putrequest(attack.method, attack.path, skip_host=True, skip_accept_encoding=True)
            for name, value in attack.headers:
                line.putheader(name, value)
            body = b"{}" if attack.method in ("POST", "PATCH") else b""
            line.putheader("Content-Type", "application/json")
            line.putheader("Content-Length", str(len(body)))
            line.endheaders(body)
            response = line.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return Outcome(0, "")
        return Outcome(response.status, response.headers.get("access-control-allow-origin", ""))


def open_ports(process: int) -> dict[int, str]:
    """Return the TCP ports at which a process and its descendants listen, each with its address."""
    found = {}
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process)
        for one in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found |= {
                    line.laddr.port: line.laddr.ip
                    for line in one.net_connections("tcp")
                    if line.status == psutil.CONN_LISTEN
                }
    return found
