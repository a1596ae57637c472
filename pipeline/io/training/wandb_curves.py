"""Live curves of a training in Weights & Biases, where the user's environment asks for it."""

import base64
import contextlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.base import logs
from pipeline.base.config.workspace import user_path
from pipeline.base.secrets import remember_secrets

PREFIX = "WANDB_"
PROJECT = "tonewatch"
MODES = ("online", "offline", "shared", "run", "dryrun")  # the last two are W&B's earlier words for the first
# Where W&B is, who the user is and where files go. What would add texts to a run, or make it part of another
# one (a sweep, a service of another process), stays behind.
CARRIED = frozenset(
    PREFIX + name
    for name in (
        "API_KEY", "APP_URL", "BASE_URL", "CACHE_DIR", "CONFIG_DIR", "CREDENTIALS_FILE", "DATA_DIR", "DIR",
        "ENTITY", "HTTP_PROXY", "HTTP_TIMEOUT", "HTTPS_PROXY", "IDENTITY_TOKEN_FILE", "INSECURE_DISABLE_SSL",
        "JOB_TYPE", "MODE", "PROJECT", "RUN_GROUP", "TAGS", "X_EXTRA_HTTP_HEADERS",
    )
)  # fmt: skip
# Silent, W&B also asks nothing on a terminal; a report of its own errors would hold paths and code.
FIXED = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
# W&B waits 90 s to begin and without end to finish; a training waits this long, plus 10 s of W&B's own.
WAIT_SECONDS = 15.0
# W&B refuses a name that it does not know, so a version in which one means nothing sends nothing.
PRIVATE = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "host": "",
    "label_disable": True,  # it reads comments of the program that runs
    "sagemaker_disable": True,
    "save_code": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}

log = logs.get("train")


def is_requested(environment: Mapping[str, str]) -> bool:
    """Return whether variables ask for W&B: a mode that writes, or a key without the mode `disabled`."""
    mode = environment.get("WANDB_MODE")
    return mode in MODES or (bool(environment.get("WANDB_API_KEY")) and mode != "disabled")


def open_wandb(home: Path, training: str, key: str, environment: Mapping[str, str]) -> "WandbCurves | None":
    """Return the curves that the environment asks for; None without, or where W&B is not installed."""
    if not is_requested(environment):
        return None
    if not _is_installed():
        log.warning("wandb.not_installed", training=training, hint="Type: pip install wandb")
        return None
    return WandbCurves(home, training, key, environment)


def _is_installed() -> bool:
    # A folder `wandb` of earlier runs is found as a package too, one without a file.
    spec = importlib.util.find_spec("wandb")
    return spec is not None and spec.origin is not None


class WandbCurves:
    """Write points into one run of W&B, which a restart continues; where W&B fails, once, warn and go on.

    Only figures are sent, besides what W&B always adds: its version, that of Python and of transformers, the
    platform (as linux-x86_64) and which known libraries are loaded. Its files lie in the workspace's home, or
    in WANDB_DIR, on the machine that trains; offline, a restart adds a folder of the same run.

    The WANDB_* variables of the driver that say where and as whom to write (CARRIED) are part of the object,
    the key among them, since a Ray worker on another machine has none: so whoever can read the traffic of an
    unencrypted cluster can read the key. Nothing shows it: not `repr`, and not a dump of the pickle.
    """

    def __init__(self, home: Path, training: str, key: str, environment: Mapping[str, str]) -> None:
        self.run_id = re.sub(r"[^\w-]", "-", f"{training}-{key[:16]}")
        self._training = training
        self._folder = user_path(environment.get("WANDB_DIR") or str(home)).absolute()
        folders = {f"WANDB_{name}_DIR": str(home / "wandb" / name.lower()) for name in ("CACHE", "DATA")}
        given = {name: value for name, value in environment.items() if name in CARRIED and value}
        # So that no dump of this object shows the key; it hides it from nobody who decodes it.
        self.encoded = base64.b64encode(json.dumps({**folders, **given, **FIXED}).encode())
        self._run: Any = None
        self._failed = False

    def log(self, training: str, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve, named after the training."""
        if self._failed:
            return
        try:
            self._run = self._run or self._begin()
            # W&B's own step must not go back, as ours does to the last checkpoint when a training restarts.
            points = {f"{training}/{name}": float(value) for name, value in metrics.items()}
            self._run.log({**points, f"{training}/step": step})
        except Exception as error:
            self._fail(error)

    def close(self) -> None:
        """Send what is not sent yet, for a limited time, and end the run."""
        run, self._run = self._run, None
        try:
            if run:
                run.finish()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        # Its errors are of any class, and of its process and its server alike.
        if not self._failed:
            log.warning(
                "wandb.failed", training=self._training, error=f"{type(error).__name__}: {error}"[:500]
            )
        self._failed = True

    def _begin(self) -> Any:
        variables = variables_of(self)
        remember_secrets(variables)
        with _environment_of(variables):
            import wandb

            run = wandb.init(
                settings=wandb.Settings(
                    run_id=self.run_id,
                    run_name=self.run_id,
                    resume="allow",
                    reinit="create_new",  # and leaves `wandb.run` of this process alone
                    project=variables.get("WANDB_PROJECT", PROJECT),
                    mode=variables.get("WANDB_MODE", "online"),
                    root_dir=str(self._folder),
                    use_dot_wandb=False,
                    symlink=False,
                    silent=True,
                    init_timeout=WAIT_SECONDS,
                    finish_timeout=WAIT_SECONDS,
                    stop_fn=_stop_nothing,
                    **PRIVATE,
                )
            )
        run.define_metric(f"{self._training}/step", hidden=True)
        run.define_metric(f"{self._training}/*", step_metric=f"{self._training}/step")
        return run


def variables_of(curves: WandbCurves) -> dict[str, str]:
    """Return the WANDB_* variables that curves carry."""
    variables: dict[str, str] = json.loads(base64.b64decode(curves.encoded))
    return variables


def _stop_nothing() -> None:
    """Ignore the button `Stop run` of W&B's page, which would interrupt this process."""


@contextlib.contextmanager
def _environment_of(variables: Mapping[str, str]) -> Iterator[None]:
    """Let this process have these WANDB_* variables and no others, for as long as W&B reads them."""
    before = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    try:
        _replace(variables)
        yield
    finally:
        # Also what W&B itself has set: the address of its process, for children, which we have not.
        _replace(before)


def _replace(variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(variables)
