"""The package indexes that pip uses, with pip's certificate, proxy and timeout."""

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    import requests
    from requests.adapters import BaseAdapter

PIP_SECONDS = 60
TIMEOUT_SECONDS = 60.0
# In pip's precedence, weakest first: a config file, its [install] section, the environment.
SECTIONS = ("global", "install", ":env:")


@dataclass(frozen=True)
class PipSettings:
    """Hold pip's settings for reaching its indexes."""

    indexes: tuple[str, ...]
    cert: str | None
    proxy: str | None
    timeout: float


def read_pip_settings(environment: Mapping[str, str]) -> PipSettings:
    """Read pip's configuration, from its files and `environment`; the default index where it names none."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    options = _pip_config() | _from_environment(environment)
    extra = options.get("extra-index-url", "").split()
    seconds = options.get("timeout") or options.get("default-timeout") or ""
    return PipSettings(
        indexes=tuple(dict.fromkeys([options.get("index-url") or PYPI_SIMPLE_ENDPOINT, *extra])),
        cert=options.get("cert"),
        proxy=options.get("proxy"),
        timeout=float(seconds) if re.fullmatch(r"[0-9.]+", seconds) else TIMEOUT_SECONDS,
    )


def parse_pip_config(listing: str) -> dict[str, str]:
    """Parse the lines `section.key='value'` of `pip config list`; the stronger section overrides."""
    options: dict[str, str] = {}
    matches = [
        re.fullmatch(r"(global|install|:env:)\.([a-z-]+)=(.+)", line.strip()) for line in listing.splitlines()
    ]
    for section in SECTIONS:
        options |= {m[2]: str(ast.literal_eval(m[3])) for m in matches if m and m[1] == section}
    return options


def open_session(settings: PipSettings) -> "requests.Session":
    """Return a session that reaches indexes as pip does, also those in local folders (`file://`)."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    retrying = HTTPAdapter(
        max_retries=Retry(
            total=3, backoff_factor=0.5, status_forcelist=(502, 503, 504), raise_on_status=False
        )
    )
    session.mount("https://", retrying)
    session.mount("http://", retrying)
    session.mount("file://", _folder_adapter())
    if settings.cert:
        session.verify = settings.cert
    if settings.proxy:
        session.proxies = {"http": settings.proxy, "https": settings.proxy}
    return session


def _pip_config() -> dict[str, str]:
    # An environment without pip, made by another installer, has no such configuration.
    try:
        process = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"],
            capture_output=True,
            text=True,
            timeout=PIP_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return parse_pip_config(process.stdout) if process.returncode == 0 else {}


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    keys = ("index-url", "extra-index-url", "cert", "proxy", "timeout", "default-timeout")
    named = {key: environment.get("PIP_" + key.upper().replace("-", "_"), "") for key in keys}
    return {key: value for key, value in named.items() if value}


def _folder_adapter() -> "BaseAdapter":
    import requests
    from requests.adapters import BaseAdapter

    class FolderAdapter(BaseAdapter):
        """Serve an index that is a local folder; the page of a folder is its index.html."""

        def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
            path = Path(url2pathname(urlsplit(request.url or "").path))
            path = path / "index.html" if path.is_dir() else path
            response = requests.Response()
            response.request, response.url = request, request.url or ""
            response.status_code = 200 if path.is_file() else 404
            if path.is_file():
                response.raw = path.open("rb")
                response.headers.update(
                    {"Content-Type": "text/html", "Content-Length": str(path.stat().st_size)}
                )
            return response

        def close(self) -> None:
            """Close nothing: no file stays open between requests."""

    return FolderAdapter()
