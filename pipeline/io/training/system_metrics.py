"""The load of the machine that trains, beside the curves in MLflow."""

import threading
from collections.abc import Mapping

from pipeline.base import logs
from pipeline.io.registry.training_curves import MACHINE_SECONDS, MlflowCurves, machine_reader

# A reading takes milliseconds; where the driver of a GPU hangs, the end of a training does not wait for it.
END_SECONDS = 1.0


class SystemMetrics:
    """Read the machine in a thread, from the first point of a training to its end.

    So it reads where the training runs: the driver's copy gets no point where the worker is elsewhere. The
    thread only reads; the training writes, so nothing waits for MLflow here.
    """

    _thread: threading.Thread | None = None

    def __init__(self, curves: MlflowCurves) -> None:
        self._curves = curves
        self._ended = threading.Event()

    def __reduce__(self) -> tuple[type["SystemMetrics"], tuple[MlflowCurves]]:
        return SystemMetrics, (self._curves,)

    def log(self, training: str, step: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002
        """Begin to read; the point itself is for other curves."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="system-metrics", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread:
            self._thread.join(timeout=END_SECONDS)

    def _read(self) -> None:
        try:
            read = machine_reader()
            while not self._ended.wait(MACHINE_SECONDS):
                self._curves.log_machine(read())
        except Exception as error:
            # A machine that cannot be read, as a container without /proc, stops no training.
            logs.get("train").warning("system_metrics.ended", error=str(error))
