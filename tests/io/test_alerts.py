"""Alerts with real sinks on loopback: web hooks that accept, fail, wait or hang up, and a mail server."""

import contextlib
import email
import json
import logging
import multiprocessing
import os
import re
import signal
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.base import logs
from pipeline.base.records import Alert
from pipeline.io import alerts
from pipeline.io.alerts import DeliveryReport, add_alerts, deliver_alerts, list_outbox

SECRET = "hunter2-canary"


def alert(key="drift/all/label", time="2026-11-25T08:00:00Z", **fields):
    defaults = {
        "kind": "drift",
        "topic": "all",
        "title": f"Drift {key}",
        "message": "p = 0.0001 of 400 texts",
        **fields,
    }
    return Alert(key, time=time, **defaults)


class Web:
    """A web hook on loopback that waits and answers with a code; `hang_up` closes without an answer."""

    def __init__(self, *, code=200, wait=0.0, hang_up=False, port=0):
        self.accepted, self.code, self.wait, self.hang_up = [], code, wait, hang_up
        web = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(web.wait)
                if web.hang_up:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if web.code == 200:
                    web.accepted.append(body["title"])
                with contextlib.suppress(OSError):
                    self.send_response(web.code)
                    self.end_headers()

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", port), Answer)
        self.port = self.server.server_address[1]
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    @property
    def url(self):
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/hook"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web():
    """Make web sinks that are closed after the test."""
    made = []

    def make(**how):
        made.append(Web(**how))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(OSError):
            one.close()


@pytest.fixture
def at_once(monkeypatch):
    """Try sinks that failed again with the next call."""
    monkeypatch.setattr(alerts, "FIRST_RETRY_SECONDS", 0.0)


def test_an_alert_is_stored_once_by_its_key_and_time(tmp_path):
    first, again, later = alert(), alert(message="other words"), alert(time="2026-11-25T09:00:00Z")

    assert add_alerts(tmp_path, [first, again]) == [first]
    assert add_alerts(tmp_path, [first, later]) == [later]
    assert [(entry.sequence, entry.alert) for entry in list_outbox(tmp_path)] == [(1, first), (2, later)]


def test_alerts_are_ordered_by_raising_and_not_by_clocks(tmp_path):
    add_alerts(tmp_path, [alert("b", "2026-12-25T08:00:00Z")])
    add_alerts(tmp_path, [alert("a", "2020-01-01T08:00:00Z")])

    assert [entry.alert.key for entry in list_outbox(tmp_path)] == ["b", "a"]


def test_each_sink_gets_each_alert_once(tmp_path, web):
    one, other = web(), web()
    add_alerts(tmp_path, [alert("a"), alert("b")])

    assert deliver_alerts(tmp_path, [one.url, other.url]) == DeliveryReport(4, 0, ())
    assert deliver_alerts(tmp_path, [one.url, other.url]) == DeliveryReport(0, 0, ())
    assert one.accepted == other.accepted == ["Drift a", "Drift b"]


def test_without_a_sink_the_outbox_is_the_file_and_nothing_waits(tmp_path):
    add_alerts(tmp_path, [alert("a")])

    assert deliver_alerts(tmp_path, []) == DeliveryReport(0, 0, ())
    assert json.loads((tmp_path / "000001.json").read_text())["key"] == "a"


def test_a_sink_that_was_down_gets_its_alerts_later(tmp_path, web, at_once):
    up, down = web(), web()
    down.close()
    add_alerts(tmp_path, [alert("a")])

    first = deliver_alerts(tmp_path, [down.url, up.url])
    add_alerts(tmp_path, [alert("b")])
    deliver_alerts(tmp_path, [down.url, up.url])
    again = web(port=down.port)
    last = deliver_alerts(tmp_path, [down.url, up.url])

    assert (first.delivered, first.waiting, len(first.down)) == (1, 1, 1)
    assert (last.delivered, last.waiting) == (2, 0)
    assert up.accepted == again.accepted == ["Drift a", "Drift b"]


def test_a_failed_sink_is_retried_at_growing_intervals(tmp_path, web):
    broken = web(code=503)
    add_alerts(tmp_path, [alert("a")])
    waits = []
    for _ in range(4):
        deliver_alerts(tmp_path, [broken.url])
        (path,) = (tmp_path / "sinks").glob("*.json")
        memory = json.loads(path.read_text())
        waits.append(round(memory["not_before"] - time.time()))
        path.write_text(json.dumps({**memory, "not_before": 0.0}))

    assert waits == [15, 30, 60, 120]
    broken.code = 200
    path.write_text(json.dumps({**memory, "not_before": time.time() + 100}))
    assert deliver_alerts(tmp_path, [broken.url]).delivered == 0
    # The clock was 40 days ahead when it failed.
    path.write_text(json.dumps({**memory, "not_before": time.time() + 40 * 86400}))
    assert deliver_alerts(tmp_path, [broken.url]).delivered == 1


def test_an_alert_that_a_sink_refuses_does_not_stop_the_next(tmp_path, web, at_once):
    sink = web()
    add_alerts(tmp_path, [alert("a", title=""), alert("b")])
    real, sink.code = alerts._send, 200

    def picky(url, one):
        return one.key != "a" and real(url, one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerts, "_send", picky)
        done = deliver_alerts(tmp_path, [sink.url])

    assert (done.delivered, done.waiting) == (1, 1)
    assert sink.accepted == ["Drift b"]


def test_a_slow_sink_delays_no_other_and_no_caller(tmp_path, web, monkeypatch):
    monkeypatch.setattr(alerts, "PATIENCE_SECONDS", 0.6)
    slow, quick = web(wait=1.5), web()
    add_alerts(tmp_path, [alert("a")])
    began = time.monotonic()

    done = deliver_alerts(tmp_path, [slow.url, quick.url])

    assert time.monotonic() - began < 1.4
    assert (quick.accepted, done.delivered, done.waiting) == (["Drift a"], 1, 1)
    # Its thread goes on by itself, and a concurrent call does not send the alert twice.
    assert deliver_alerts(tmp_path, [slow.url]).delivered == 0
    _until(lambda: len(list_outbox(tmp_path)[0].delivered) == 2)
    assert slow.accepted == ["Drift a"]


def test_a_sink_that_hangs_up_is_down(tmp_path, web, at_once):
    half_open = web(hang_up=True)
    add_alerts(tmp_path, [alert("a")])

    assert deliver_alerts(tmp_path, [half_open.url]).waiting == 1
    half_open.hang_up = False
    assert deliver_alerts(tmp_path, [half_open.url]).waiting == 0


def test_a_mail_server_gets_the_message_and_the_link(tmp_path):
    with _mail_server() as (port, mails):
        add_alerts(tmp_path, [alert("a", link="http://127.0.0.1:8000/#alerts")])

        done = deliver_alerts(
            tmp_path, [f"mailto://127.0.0.1:{port}?from=tone@example.org&to=ada@example.org&format=text"]
        )

    assert done == DeliveryReport(1, 0, ())
    (mail,) = (email.message_from_string(said) for said in mails)
    assert mail["Subject"] == "Drift a"
    assert (
        mail.get_payload(decode=True).split()
        == b"p = 0.0001 of 400 texts http://127.0.0.1:8000/#alerts".split()
    )


@pytest.mark.parametrize(
    "address", ["nosuch://x", "", "://", "json://", f"mailto://a:{SECRET}@", "\x00", "json://[::1"]
)
def test_a_wrong_address_stops_no_other_sink(tmp_path, web, address):
    sink = web()
    add_alerts(tmp_path, [alert("a")])

    done = deliver_alerts(tmp_path, [address, sink.url])

    assert (done.delivered, done.waiting, len(done.down)) == (1, 1, 1)


def test_no_password_is_stored_or_logged(tmp_path, web, capfd, caplog):
    logs.configure(json=True, debug=True)
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    sinks = [web(code=500), web(hang_up=True), web()]
    add_alerts(tmp_path, [alert("a"), alert("b")])

    deliver_alerts(
        tmp_path,
        [*(sink.url for sink in sinks), f"nosuch://u:{SECRET}@host", f"mailto://u:{SECRET}@127.0.0.1:9"],
    )

    captured = capfd.readouterr()
    kept = "".join(path.name + path.read_text() for path in tmp_path.rglob("*.json"))
    assert SECRET not in captured.out + captured.err + caplog.text + kept
    assert "sink.down" in captured.err


def test_concurrent_deliveries_send_each_alert_once(tmp_path, web):
    sink = web(wait=0.05)
    add_alerts(tmp_path, [alert(str(number)) for number in range(6)])
    threads = [threading.Thread(target=deliver_alerts, args=(tmp_path, [sink.url])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sink.accepted == [f"Drift {number}" for number in range(6)]


def test_concurrent_alerts_are_numbered_without_a_gap(tmp_path):
    threads = [threading.Thread(target=add_alerts, args=(tmp_path, [alert(f"{n % 10}")])) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [entry.sequence for entry in list_outbox(tmp_path)] == list(range(1, 11))
    assert sorted(entry.alert.key for entry in list_outbox(tmp_path)) == sorted(str(n) for n in range(10))


def test_after_a_killed_delivery_the_alert_is_sent(tmp_path, web):
    sink = web(wait=30.0)
    add_alerts(tmp_path, [alert("a")])
    process = multiprocessing.get_context("spawn").Process(target=deliver_alerts, args=(tmp_path, [sink.url]))
    process.start()
    _until(lambda: list((tmp_path / "sinks").glob("*.lock")), seconds=30)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    sink.wait = 0.0

    assert deliver_alerts(tmp_path, [sink.url]) == DeliveryReport(1, 0, ())


def test_a_new_sink_is_not_flooded_with_old_alerts(tmp_path, web):
    sink = web()
    add_alerts(tmp_path, [alert(str(number)) for number in range(25)])

    assert deliver_alerts(tmp_path, [sink.url]).delivered == 20
    assert sink.accepted[0] == "Drift 5"
    assert list_outbox(tmp_path)[0].waiting == ()


def test_an_unreadable_file_hides_no_other_alert(tmp_path, web):
    sink = web()
    add_alerts(tmp_path, [alert("a")])
    (tmp_path / "000002.json").write_text("{")
    (tmp_path / "000003.json").write_text('{"strange": 1}')
    (tmp_path / "note.json").write_text("[]")

    assert deliver_alerts(tmp_path, [sink.url]).delivered == 1
    assert add_alerts(tmp_path, [alert("b")]) == [alert("b")]
    assert (tmp_path / "000004.json").is_file()
    assert [entry.alert.key for entry in list_outbox(tmp_path)] == ["a", "b"]


def test_the_outbox_names_sinks_without_addresses(tmp_path, web):
    up, down = web(), web(code=500)
    add_alerts(tmp_path, [alert("a")])
    deliver_alerts(tmp_path, [up.url, down.url])

    (entry,) = list_outbox(tmp_path)

    assert [len(entry.delivered), len(entry.waiting)] == [1, 1]
    assert all(re.fullmatch(r"json-[0-9a-f]{12}", name) for name in (*entry.delivered, *entry.waiting))


def test_files_of_earlier_versions_are_read(tmp_path, web):
    sink = web()
    add_alerts(tmp_path, [alert("a"), alert("b")])
    deliver_alerts(tmp_path, [sink.url])
    (path,) = (tmp_path / "sinks").glob("*.json")
    path.write_text(json.dumps({"told": [1], "failed": 2, "not_before": 0.0}))
    fields = json.loads((tmp_path / "000001.json").read_text())
    del fields["requests_retrain"]
    (tmp_path / "000001.json").write_text(json.dumps({**fields, "hard": True}))

    first, second = list_outbox(tmp_path)

    assert (first.alert.requests_retrain, len(first.delivered), len(second.waiting)) == (True, 1, 1)
    assert deliver_alerts(tmp_path, [sink.url]) == DeliveryReport(1, 0, ())
    assert json.loads(path.read_text()) == {"delivered": [1, 2], "failures": 0, "not_before": 0.0}


def _until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def _mail_server():
    mails = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    said = []
                    while (part := self.rfile.readline()) != b".\r\n":
                        said.append(part.decode())
                    mails.append("".join(said))
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
                if word == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()
