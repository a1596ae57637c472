"""The Ray cluster of this process, which trainings, data stages and the service share."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.io.security.secret_files import read_or_make_secret

LOCAL = "local"


@dataclass(frozen=True)
class RayCluster:
    """Hold the address of a cluster, or `local`; `token` is the file of the secret of a local one."""

    address: str
    token: Path

    def join(self) -> None:
        """Join the cluster, or start one on this machine; a process that is in one stays there."""
        import ray

        if ray.is_initialized():
            return
        local = self.address == LOCAL
        if local:
            read_or_make_secret(self.token)
        ray.init(
            address=self.address,
            # An option of a cluster that is started; a running one refuses it.
            include_dashboard=False if local else None,
            log_to_driver=False,
            configure_logging=False,
        )
