"""Where things are: the workspace, the stores, and the machine's profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.base.config.section import Section
from pipeline.base.errors import NotAWorkspace


class Profile(Section):
    """Say what the machine offers; it never changes a result beyond floating point."""

    device: Literal["cpu", "cuda"]
    workers: int = Field(ge=0)
    micro_batch: int = Field(ge=1)
    threads: int = Field(ge=1)
    stage_minutes: int = Field(ge=1)


@dataclass(frozen=True)
class Workspace:
    """Name every place of one workspace; what is not set in the environment is embedded under `.tonewatch/`.

    With a signing key every new model is signed; with a verify key no model is used that its owner has not signed.
    """

    root: Path
    mlflow: str
    ledger: str
    signing_key: Path | None = None
    verify_key: Path | None = None
    keys_file: Path | None = None
    alert_urls: tuple[str, ...] = ()
    dashboard: str = ""

    @classmethod
    def of(cls, root: Path, environment: Mapping[str, str]) -> "Workspace":
        """Read the places of a workspace from the environment, embedded where it is silent."""
        home = root / ".tonewatch"
        return cls(
            root=root,
            mlflow=environment.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home}/mlflow.db",
            ledger=environment.get("TONEWATCH_LEDGER") or f"sqlite:///{home}/ledger.db",
            signing_key=_path(environment.get("TONEWATCH_SIGNING_KEY")),
            verify_key=_path(environment.get("TONEWATCH_VERIFY_KEY")),
            keys_file=_path(environment.get("TONEWATCH_API_KEYS_FILE")),
            # Addresses of apprise hold passwords, so they stand in the environment, parted by blanks.
            alert_urls=tuple((environment.get("TONEWATCH_ALERTS") or "").split()),
            # Where people reach the service, so that an alert can lead there.
            dashboard=(environment.get("TONEWATCH_DASHBOARD") or "").rstrip("/"),
        )

    @property
    def home(self) -> Path:
        """Give the folder of everything embedded."""
        return self.root / ".tonewatch"

    @property
    def params(self) -> Path:
        """Give the workspace's params.yaml."""
        return self.root / "params.yaml"

    @property
    def downloads(self) -> Path:
        """Give the folder of fetched files, each named by its SHA-256."""
        return self.home / "downloads"

    @property
    def checkpoints(self) -> Path:
        """Give the folder of training checkpoints."""
        return self.home / "checkpoints"

    @property
    def releases(self) -> Path:
        """Give the folder of verified local copies of released models."""
        return self.home / "releases"

    @property
    def journal(self) -> Path:
        """Give the folder of what the service answered, and of true labels told to it."""
        return self.home / "journal"

    @property
    def windows(self) -> Path:
        """Give the folder of what was seen in each window."""
        return self.home / "windows"

    @property
    def alerts(self) -> Path:
        """Give the folder of alerts, told and not yet told."""
        return self.home / "alerts"

    @property
    def keys(self) -> Path:
        """Give the file of API keys."""
        return self.keys_file or self.home / "keys.json"

    @property
    def reports(self) -> Path:
        """Give the folder of HTML reports."""
        return self.home / "reports"


def _path(said: str | None) -> Path | None:
    return Path(said).absolute() if said else None


def find_workspace(start: Path) -> Path:
    """Find the nearest folder upward that holds both dvc.yaml and params.yaml.

    Raises NoWorkspace when there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise NotAWorkspace(
        f"{start} is not inside a workspace (a folder with dvc.yaml and params.yaml). "
        "Make one with `tonewatch init DIR`, or name one with `--workspace DIR`."
    )
