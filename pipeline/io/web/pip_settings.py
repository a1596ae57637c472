"""The package indexes that pip uses, with pip's certificate, proxy and timeout."""

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

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
        timeout=float(seconds) if re.fullmatch(r"\d+(\.\d+)?", seconds) else TIMEOUT_SECONDS,
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
