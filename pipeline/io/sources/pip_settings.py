"""The package indexes that pip itself would ask, with pip's certificate, proxy and time-out."""

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    import requests

PIP_SECONDS = 60
TIMEOUT_SECONDS = 60.0
# pip's own precedence, weakest first: a config file, its [install] part, the environment.
PARTS = ("global", "install", ":env:")


@dataclass(frozen=True)
class PipSettings:
    """Hold what pip's configuration says about reaching its indexes."""

    indexes: tuple[str, ...]
    cert: str | None
    proxy: str | None
    timeout: float


def read_pip_settings(environment: Mapping[str, str]) -> PipSettings:
    """Read pip's configuration, its files through `pip config list`; where it is silent, the library's default index."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    said = _pip_config() | _of_environment(environment)
    extra = said.get("extra-index-url", "").split()
    seconds = said.get("timeout") or said.get("default-timeout") or ""
    return PipSettings(
        indexes=tuple(dict.fromkeys([said.get("index-url") or PYPI_SIMPLE_ENDPOINT, *extra])),
        cert=said.get("cert"),
        proxy=said.get("proxy"),
        timeout=float(seconds) if re.fullmatch(r"[0-9.]+", seconds) else TIMEOUT_SECONDS,
    )


def parse_pip_config(listing: str) -> dict[str, str]:
    """Read the lines `part.key='value'` of `pip config list`, the stronger part last."""
    said: dict[str, str] = {}
    lines = [
        re.fullmatch(r"(global|install|:env:)\.([a-z-]+)=(.+)", line.strip()) for line in listing.splitlines()
    ]
    for part in PARTS:
        said |= {found[2]: str(ast.literal_eval(found[3])) for found in lines if found and found[1] == part}
    return said


def open_session(settings: PipSettings) -> "requests.Session":
    """Open a session that reaches indexes as pip does, those in local folders (`file://`) included."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    again = HTTPAdapter(
        max_retries=Retry(
            total=3, backoff_factor=0.5, status_forcelist=(502, 503, 504), raise_on_status=False
        )
    )
    session.mount("https://", again)
    session.mount("http://", again)
    session.mount("file://", _folder_adapter())
    if settings.cert:
        session.verify = settings.cert
    if settings.proxy:
        session.proxies = {"http": settings.proxy, "https": settings.proxy}
    return session


def _pip_config() -> dict[str, str]:
    # An environment without pip (made by another installer) has no such configuration: the defaults hold.
    try:
        told = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"],
            capture_output=True,
            text=True,
            timeout=PIP_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return parse_pip_config(told.stdout) if told.returncode == 0 else {}


def _of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    keys = ("index-url", "extra-index-url", "cert", "proxy", "timeout", "default-timeout")
    named = {key: environment.get("PIP_" + key.upper().replace("-", "_"), "") for key in keys}
    return {key: value for key, value in named.items() if value}


def _folder_adapter() -> Any:
    import requests
    from requests.adapters import BaseAdapter

    class FolderAdapter(BaseAdapter):
        """Answer for an index that is a folder: a folder's page is its index.html."""

        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
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
            """Hold nothing open between two requests."""

    return FolderAdapter()
