"""The Ray cluster of this process, which trainings, data stages and the service share."""

import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.base.errors import Unreachable, UsageError
from pipeline.io.security.secret_files import read_or_make_secret

LOCAL, AUTO = "local", "auto"
# Ray itself asks a dead address for minutes, and then ends the process.
ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class RayCluster:
    """Hold the address of a cluster, or `local`; `token` is the file of the secret of a local one."""

    address: str
    token: Path

    def join(self) -> None:
        """Join the cluster, or start one on this machine; a process that is in one stays there.

        Raises Unreachable where none answers, or none can be started.
        """
        import ray

        if ray.is_initialized():
            return
        local = self.address == LOCAL
        if local:
            read_or_make_secret(self.token)
        else:
            self._require_answer()
        try:
            ray.init(
                address=self.address,
                # An option of a cluster that is started; a running one refuses it.
                include_dashboard=False if local else None,
                log_to_driver=False,
                configure_logging=False,
            )
        except Exception as error:
            # Ray has no class of its own for this: its errors are built-in ones, one is a bare Exception.
            raise Unreachable(self._sentence(str(error).partition("\n")[0])) from error

    def require_cores(self, wanted: int) -> None:
        """Raise UsageError where this machine alone is the cluster, and has fewer cores than workers.

        Ray would wait for them without end. Another cluster may grow when it is asked for more.
        """
        import ray

        found = int(ray.cluster_resources().get("CPU", 0))
        if self.address == LOCAL and found < wanted:
            raise UsageError(
                f"The profile asks for {wanted} workers, and this machine has {found} core"
                f"{'' if found == 1 else 's'}. Write `workers: {found}` or less into the profile, name "
                "a larger cluster in RAY_ADDRESS, or type `tonewatch run --profile laptop`."
            )

    def _require_answer(self) -> None:
        """Raise Unreachable where nothing listens at an address of host and port, or at that of `auto`."""
        address = _found_cluster() if self.address == AUTO else self.address
        try:
            place = urlsplit(address if "://" in address else f"//{address}")
            host, port = place.hostname, place.port
        except ValueError as error:
            raise Unreachable(self._sentence(str(error))) from error
        if not host or port is None:
            # What Ray refuses by itself.
            return
        try:
            socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
        except OSError as error:
            reason = error.strerror or str(error)
            if self.address == AUTO:
                reason = f"the last cluster of this machine was at {address}: {reason}"
            raise Unreachable(self._sentence(reason)) from error

    def _sentence(self, reason: str) -> str:
        if self.address == LOCAL:
            return (
                f"Ray cannot start on this machine: {reason} Its logs are in /tmp/ray/session_latest/logs. "
                "Type the same command again, or write `workers: 0` into the profile."
            )
        return (
            f"No Ray cluster answers at RAY_ADDRESS ({self.address}): {reason.rstrip('.')}. Start it with "
            "`ray start --head`, correct RAY_ADDRESS, or unset it to work on this machine alone."
        )


def _found_cluster() -> str:
    """Return the address that Ray takes `auto` for; `auto` where it finds none, and says so by itself."""
    from ray._private.services import get_ray_address_from_environment

    try:
        # A cluster that was killed leaves its address behind.
        return str(get_ray_address_from_environment(AUTO, None))
    except ConnectionError:
        return AUTO
