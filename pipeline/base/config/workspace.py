"""Where things are: the workspace, the stores, and the machine's profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from pipeline.base.config.section import Section
from pipeline.base.errors import NotAWorkspace, UsageError

# Addresses of MLflow that look like a relative folder and are none.
MLFLOW_SERVICES = ("databricks", "databricks-uc", "uc")
# What a worker of another machine can reach.
STORES = ("s3://", "gs://", "file://")


class Profile(Section):
    """Set what the machine offers; it changes no result beyond floating point.

    A training that loses machines goes on with `min_workers` at least; without that it waits for all. With
    `divide_weights` each worker holds a part of the weights, for a model that does not fit one of them.
    """

    device: Literal["cpu", "cuda"]
    workers: int = Field(ge=0)
    micro_batch: int = Field(ge=1)
    threads: int = Field(ge=1)
    stage_minutes: int = Field(ge=1)
    # Profiles of before have no such key.
    min_workers: int | None = Field(default=None, ge=1)
    divide_weights: bool = False

    @model_validator(mode="after")
    def _min_is_no_more_than_all(self) -> "Profile":
        if self.min_workers is not None and self.min_workers > self.workers:
            raise ValueError(
                f"min_workers is {self.min_workers}, more than the {self.workers} workers there are. "
                f"Write at most {self.workers}, or remove the line"
            )
        return self

    @model_validator(mode="after")
    def _weights_are_divided_among_several(self) -> "Profile":
        if self.divide_weights and self.workers < 2:
            raise ValueError(
                f"divide_weights needs several workers, and workers is {self.workers}. "
                "Write 2 or more, or remove the line"
            )
        return self


@dataclass(frozen=True)
class Workspace:
    """Hold every place of one workspace; what the environment does not set is embedded under `.tonewatch/`.

    A relative place is taken from the root, wherever a command is typed. With a signing key every new model
    is signed; with a verify key only signed models are used.
    """

    root: Path
    mlflow: str
    ledger: str
    signing_key: Path | None = None
    verify_key: Path | None = None
    keys_file: Path | None = None
    alert_urls: tuple[str, ...] = ()
    dashboard: str = ""
    ray: str = "local"
    training_store: str = ""

    @classmethod
    def of(cls, root: Path, environment: Mapping[str, str]) -> "Workspace":
        """Read the places of a workspace from the environment, embedded where it does not set them.

        Raises UsageError where the root has a `?` in its path, which ends the path of a database's address.
        """
        root = root.absolute()
        if "?" in str(root):
            raise UsageError(
                f"The path {root} contains a question mark, which ends the path in the address of a "
                "database. Rename that folder, then type the same again."
            )
        home = root / ".tonewatch"
        return cls(
            root=root,
            mlflow=_mlflow_address(root, environment.get("MLFLOW_TRACKING_URI")) or _embedded_mlflow(home),
            ledger=_sqlite_address(root, environment.get("TONEWATCH_LEDGER"))
            or f"sqlite:///{home}/ledger.db",
            signing_key=_path(root, environment.get("TONEWATCH_SIGNING_KEY")),
            verify_key=_path(root, environment.get("TONEWATCH_VERIFY_KEY")),
            keys_file=_path(root, environment.get("TONEWATCH_API_KEYS_FILE")),
            # Apprise URLs hold passwords, so they are set in the environment, separated by spaces.
            alert_urls=tuple((environment.get("TONEWATCH_ALERTS") or "").split()),
            # Where people reach the dashboard, so that an alert can link to it.
            dashboard=_public_address(environment.get("TONEWATCH_DASHBOARD") or ""),
            # Never "auto": Ray would join whatever cluster its temporary folder names.
            ray=environment.get("RAY_ADDRESS") or "local",
            # Where workers of other machines reach checkpoints and texts of a training.
            training_store=_store_address(environment.get("TONEWATCH_TRAINING_STORE") or ""),
        )

    @property
    def home(self) -> Path:
        """Return the folder of everything embedded."""
        return self.root / ".tonewatch"

    @property
    def ray_token(self) -> Path:
        """Return the file with the secret of a Ray cluster that is started here."""
        return self.home / "ray" / "token"

    @property
    def mlflow_embedded(self) -> bool:
        """Return whether MLflow is the workspace's own, which nobody else writes to."""
        return self.mlflow == _embedded_mlflow(self.home)

    @property
    def params(self) -> Path:
        """Return the path of params.yaml."""
        return self.root / "params.yaml"

    @property
    def downloads(self) -> Path:
        """Return the folder of downloaded files, each named by its SHA-256."""
        return self.home / "downloads"

    @property
    def web(self) -> Path:
        """Return the folder of rows that were read from the web, one folder a source."""
        return self.home / "web"

    @property
    def checkpoints(self) -> Path:
        """Return the folder of training checkpoints."""
        return self.home / "checkpoints"

    @property
    def releases(self) -> Path:
        """Return the folder of verified local copies of released models."""
        return self.home / "releases"

    @property
    def journal(self) -> Path:
        """Return the folder of predictions and feedback."""
        return self.home / "journal"

    @property
    def journal_key(self) -> Path:
        """Return the file of the secret under which texts are hashed."""
        return self.home / "journal.key"

    @property
    def windows(self) -> Path:
        """Return the folder of window reports."""
        return self.home / "windows"

    @property
    def alerts(self) -> Path:
        """Return the folder of alerts, sent and waiting."""
        return self.home / "alerts"

    @property
    def keys(self) -> Path:
        """Return the file of API keys."""
        return self.keys_file or self.home / "keys.json"

    @property
    def reports(self) -> Path:
        """Return the folder of HTML reports."""
        return self.home / "reports"


def _embedded_mlflow(home: Path) -> str:
    return f"sqlite:///{home}/mlflow.db"


def _store_address(value: str) -> str:
    address = value.rstrip("/")
    if address and not address.startswith(STORES):
        raise UsageError(
            f"TONEWATCH_TRAINING_STORE is no address of a store: {value}. Write it as s3://bucket/folder, or "
            "unset it: checkpoints are then kept in the workspace."
        )
    return address


def _path(root: Path, value: str | None) -> Path | None:
    return root / user_path(value) if value else None


def _sqlite_address(root: Path, value: str | None) -> str | None:
    """Return an address with the relative path of a SQLite file taken from the root; others stay."""
    driver, slashes, rest = (value or "").partition(":///")
    path, mark, query = rest.partition("?")
    if not slashes or driver.partition("+")[0] != "sqlite" or path in ("", ":memory:"):
        return value
    # SQLite's own addresses, as file:ledger.db?uri=true.
    scheme = "file:" if path.startswith("file:") else ""
    return f"{driver}:///{scheme}{_path(root, path.removeprefix('file:'))}{mark}{query}"


def _mlflow_address(root: Path, value: str | None) -> str | None:
    if not value or value in MLFLOW_SERVICES or "://" in value:
        return _sqlite_address(root, value)
    # A service with a profile has a colon; a folder may be written with or without `file:`.
    path = value.removeprefix("file:")
    return value if ":" in path else str(_path(root, path))


def find_workspace(start: Path) -> Path:
    """Return the nearest folder upward that holds both dvc.yaml and params.yaml.

    Raises NotAWorkspace when there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise NotAWorkspace(
        f"{start} is not inside a workspace (a folder with dvc.yaml and params.yaml). "
        "Make one with `tonewatch init DIR`, or name one with `--workspace DIR`."
    )


def _public_address(text: str) -> str:
    address = text.rstrip("/")
    try:
        parts = urlsplit(address)
        valid = not address or (parts.scheme in ("http", "https") and bool(parts.hostname))
    except ValueError:
        valid = False
    if not valid:
        raise UsageError("TONEWATCH_DASHBOARD is no address. Write it as https://tone.example/mood.")
    return address


def user_path(written: str) -> Path:
    """Return a path with `~` or `~NAME` at its beginning replaced; a relative one stays relative.

    Raises UsageError where nobody of this name has a home folder.
    """
    try:
        return Path(written).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{written} begins with the home folder of a user who is unknown here. Write the whole path."
        ) from error
