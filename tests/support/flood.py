"""Send one body over and over on some connections, in a process of its own, until it is told to stop."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping

CONNECTIONS = 4
# The attacker computes on a machine of his own: here he gets what the others leave.
NICENESS = 19


@contextlib.contextmanager
def flooding(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> Iterator[Counter[str]]:
    """Post a body to a port of this machine while the block runs; afterwards the statuses are counted."""
    task = {"port": port, "path": path, "headers": dict(headers), "body": body.decode()}
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(task) + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "sending\n"
    statuses = Counter[str]()
    try:
        yield statuses
    finally:
        out, _ = process.communicate(timeout=90)
        statuses.update(json.loads(out))


def _main() -> None:
    os.nice(NICENESS)
    task = json.loads(sys.stdin.readline())
    body, stop, statuses = task["body"].encode(), threading.Event(), Counter[str]()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", task["port"], timeout=60)
        while not stop.is_set():
            connection.request("POST", task["path"], body, task["headers"])
            response = connection.getresponse()
            response.read()
            statuses[str(response.status)] += 1

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    print("sending", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps(statuses))


if __name__ == "__main__":
    _main()
