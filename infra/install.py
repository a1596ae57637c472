"""Install the locked packages and the project into .venv: with uv, or with pip where uv cannot be had.

`make` runs it with the Python that .venv is made from. It uses the standard library only.
"""

import ast
import fcntl
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
# Its date is that of the last install that finished.
READY = VENV / ".ready"

# Every package but torch, with the hashes of its files.
LOCK = Path("infra", "lock.txt")
# Wheels only: the setup of a source distribution runs whatever its author wrote.
WHEELS = ("--only-binary", ":all:", "--require-hashes")
# The installer is apart: an index without uv must not stop pip.
UV_LOCK = Path("infra", "uv.txt")
# Two builds of torch. uv matches hashes to one exact version, so 2.13.0+cpu needs a line of its own. The
# public build brings its CUDA packages along; a machine with the CPU build does not download them.
TORCH_CPU_LOCK = Path("infra", "torch-cpu.txt")
TORCH_LOCK = Path("infra", "torch.txt")

# What the commands and the service import. Compiling all 29,600 files takes 180 s of CPU time. These 6,500
# take 65 s, in two processes half of that. Left uncompiled, they cost each new process up to 20 s, again and
# again where PYTHONDONTWRITEBYTECODE is set.
IMPORTED = (
    "prefect.server.api.server, prefect, mlflow, alembic, great_expectations.expectations",
    "torch, transformers, ray.train.torch, dvc.repo, scipy.stats, scipy.optimize, sklearn.linear_model, "
    "sklearn.feature_extraction.text, onnx, onnxruntime",
)

Command = Sequence[object]


class InstallFailed(Exception):
    """A command of the install failed. Its own message is on the screen already."""


def main() -> int:
    """Make .venv if it is missing or unfinished, and install what the lock names."""
    os.chdir(ROOT)
    # On SIGTERM the child process ends too: it must not go on writing into .venv.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = time.monotonic()
    own = Path(__file__).open("rb")  # noqa: SIM115 # locked until this process ends
    try:
        # Two `make` at once, each in its terminal: the second waits, and finds its work done.
        if _waits_for(own) and READY.exists():
            return 0
        # The stamp goes first and comes back last: a killed install leaves none and is begun anew.
        if READY.exists() and PYTHON.exists():
            READY.unlink()
        else:
            _make_venv()
        if _install():
            _say("Compiling what the commands import.")
            _compile()
    except InstallFailed as failure:
        print(f"The install failed at: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The install was interrupted. The next `make` starts it again.", file=sys.stderr)
        return 130
    READY.touch()
    _say(f"The environment is ready ({time.monotonic() - start:.0f} s).")
    return 0


def pip_settings(python: Path) -> dict[str, str]:
    """Read what pip is configured with: its files, then its environment variables, which win."""
    listing = _run([python, "-m", "pip", "config", "list"], capture=True)
    scopes: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        scope, _, name = key.partition(".")
        # Like pip, leave an empty value out: it replaces nothing.
        if scope in scopes and (text := str(ast.literal_eval(value))):
            scopes[scope][name] = text
    return scopes["global"] | scopes["install"] | scopes[":env:"]


def uv_environment(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Translate pip's settings to uv's variables. A UV_* variable that the user set stays as it is.

    pip's constraints are left out: the lock fixes every version already.
    """
    bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or ""
    cert = pip.get("cert") or ("" if "SSL_CERT_FILE" in environ else bundle)
    store = ssl.get_default_verify_paths()
    proxy = pip.get("proxy", "")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    settings = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        # pip takes a version from any index, uv from the first that has the package. With the hash of every
        # file in the lock, no index can slip another package in.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("timeout") or pip.get("default-timeout", ""),
        "UV_HTTP_RETRIES": pip.get("retries", ""),
        "UV_KEYRING_PROVIDER": "subprocess" if pip.get("keyring-provider") == "subprocess" else "",
        "UV_NO_CACHE": "true" if _is_on(pip.get("no-cache-dir")) else "",
        "UV_SYSTEM_CERTS": "true" if not cert and (store.cafile or store.capath) else "",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    older_names = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
    handed_on = {
        name: value
        for name, value in settings.items()
        if value and name not in environ and older_names.get(name, name) not in environ
    }
    if cert:
        handed_on["SSL_CERT_DIR" if Path(cert).is_dir() else "SSL_CERT_FILE"] = cert
    if "client-cert" in pip:
        handed_on["SSL_CLIENT_CERT"] = pip["client-cert"]
    if proxy:
        handed_on |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy}
    return handed_on


def entries(lock: Path) -> list[str]:
    """Split a lock into its packages: each is its first line and the indented hashes below."""
    packages: list[str] = []
    for line in lock.read_text("utf-8").splitlines(keepends=True):
        if line.startswith(" "):
            packages[-1] += line
        elif line.strip() and not line.startswith("#"):
            packages.append(line)
    return packages


def _waits_for(file: IO[bytes]) -> bool:
    """Lock a file until this process ends. Return whether another process held it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("Another `make` is installing. Waiting for it.")
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    return False


def _make_venv() -> None:
    _say("Making .venv.")
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    _run([sys.executable, "-m", "venv", VENV])


def _install() -> bool:
    """Install everything. Return whether a package changed."""
    try:
        if not UV.exists():
            _say("Installing uv.")
        _run([*_pip(), "-qq", *WHEELS, "-r", UV_LOCK])
        return _install_with_uv(pip_settings(PYTHON))
    except InstallFailed:
        _say("uv cannot install here (see above). Installing with pip, which takes minutes.")
        _install_with_pip()
        return True


def _install_with_uv(settings: Mapping[str, str]) -> bool:
    environ = {**os.environ, **uv_environment(settings, os.environ)}
    # With --python, uv installs into the base Python where it takes .venv for one: it did when .venv was
    # being removed, and it remembers. With VIRTUAL_ENV it stops instead.
    environ |= {"VIRTUAL_ENV": str(VENV.resolve()), "UV_SYSTEM_PYTHON": "false"}
    environ.pop("UV_PYTHON", None)
    install = [UV, "pip", "install", "--no-deps"]
    if _is_on(settings.get("no-index")):
        install.append("--no-index")
    hashed = [*install, *WHEELS]
    cpu = TORCH_CPU_LOCK.exists() and _succeeds([*hashed, "--dry-run", "-r", TORCH_CPU_LOCK], environ)
    torch = TORCH_CPU_LOCK if cpu else TORCH_LOCK
    _say("Installing the locked packages with uv.")
    report = _run([*hashed, "-r", LOCK, "-r", torch, "--output-format", "json"], environ, capture=True)
    # The project itself is built with the hatchling that the lock installed.
    _run([*install, "--quiet", "--no-build-isolation", "--editable", "."], environ)
    return bool(json.loads(report)["changes"])


def _install_with_pip() -> None:
    # Not compiled here: `_compile` picks what is needed.
    install = [*_pip(), "--no-compile", *([] if sys.stderr.isatty() else ["-q"])]
    hashed = [*install, *WHEELS]
    _run([*hashed, "-r", LOCK])
    if not (TORCH_CPU_LOCK.exists() and _succeeds([*hashed, "-r", TORCH_CPU_LOCK])):
        _run([*hashed, "-r", TORCH_LOCK])
    _run([*install, "--no-build-isolation", "--editable", "."])


def _pip() -> list[object]:
    options = ["--require-virtualenv", "--disable-pip-version-check", "--no-deps"]
    return [PYTHON, "-m", "pip", "install", *options]


def _compile() -> None:
    """Write the bytecode of what is imported. A failing import is the tests' matter, not the install's."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        # Prefect makes its folder when imported and reads settings from the current one.
        environ |= {"PREFECT_HOME": folder, "MPLCONFIGDIR": folder}
        processes = [
            subprocess.Popen(
                [Path.cwd() / PYTHON, "-c", f"import {names}"],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for names in IMPORTED
        ]
        try:
            for process in processes:
                process.wait()
        finally:
            for process in processes:
                process.kill()


def _is_on(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true", "yes", "on", "y", "t")


def _succeeds(command: Command, environ: Mapping[str, str] | None = None) -> bool:
    words = [str(word) for word in command]
    return subprocess.run(words, env=environ, capture_output=True, check=False).returncode == 0


def _run(command: Command, environ: Mapping[str, str] | None = None, *, capture: bool = False) -> str:
    """Run a command and return its output. Its messages show at once on a terminal, elsewhere if it fails."""
    words = [str(word) for word in command]
    stdout = subprocess.PIPE if capture else None
    stderr = None if sys.stderr.isatty() else subprocess.PIPE
    try:
        result = subprocess.run(words, env=environ, stdout=stdout, stderr=stderr, text=True, check=False)
    except OSError as error:
        print(error, file=sys.stderr)
        raise InstallFailed(" ".join(words)) from error
    if result.returncode != 0:
        print(result.stderr or "", file=sys.stderr, end="")
        raise InstallFailed(" ".join(words))
    return result.stdout or ""


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
