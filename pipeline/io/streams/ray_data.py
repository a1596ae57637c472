"""Work on batches by all cores of a Ray cluster, in their order, with Ray Data.

Ray Data reads files or what is in its store, and no iterator; so batches come to it in windows. While it
works on one, the next is read.
"""

import pickle
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from pipeline.base.errors import Fault
from pipeline.io.security.ray_cluster import RayCluster

Kept = TypeVar("Kept")
Payload = TypeVar("Payload")
Result = TypeVar("Result")

BATCHES_PER_CORE = 4  # in a window: each has to start and end once
WINDOWS = 2  # under way: one is worked on while the other is read
# Ray Data's own default is to repeat for ever what ends its worker.
RETRIES = 3
# The one way to say so in Ray 2.60 to 2.63, which pyproject.toml therefore asks for.
DEPRECATED = "`ray_remote_args` is deprecated"


def map_on_cluster(
    function: Callable[[Payload], Result], batches: Iterable[tuple[Kept, Payload]], cluster: RayCluster
) -> Generator[tuple[Kept, Result]]:
    """Yield what stays here of each batch with what the function returns of the rest, in their order.

    The function must be importable on every node. A batch whose worker or node ends is worked on again.
    Raises what the function raises, and Fault when a batch ends its worker again and again.
    """
    import ray

    cluster.join()
    warnings.filterwarnings("ignore", DEPRECATED, DeprecationWarning)
    size = BATCHES_PER_CORE * max(1, int(ray.cluster_resources().get("CPU", 1)))
    rest, pending = iter(batches), deque[tuple[list[Kept], Future[list[Any]]]]()
    threads = ThreadPoolExecutor(WINDOWS, thread_name_prefix="windows")
    try:
        while window := list(islice(rest, size)):
            payloads = [payload for _, payload in window]
            pending.append(([kept for kept, _ in window], threads.submit(_run_window, function, payloads)))
            if len(pending) == WINDOWS:
                yield from _replies(*pending.popleft())
        while pending:
            yield from _replies(*pending.popleft())
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _replies(kept: list[Kept], future: "Future[list[Any]]") -> Generator[tuple[Kept, Any]]:
    for one, reply in zip(kept, future.result(), strict=True):
        if isinstance(reply, Exception):
            raise reply
        yield one, reply


def _run_window(function: Callable[[Any], Any], payloads: Sequence[object]) -> list[Any]:
    """Return what the function returns of each payload, or the error that it raises."""
    import ray.data
    import ray.exceptions

    # As bytes: of lists of texts Ray Data would make columns.
    rows = [{"payload": pickle.dumps(payload)} for payload in payloads]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
    dataset.context.execution_options.preserve_order = True
    try:
        done = dataset.map(_reply, fn_args=(function,), max_retries=RETRIES).take_all()
    except ray.exceptions.RayError as error:
        raise Fault(
            f"The Ray cluster could not work on a batch, also when it tried {RETRIES} times more: "
            f"{str(error).strip().rpartition(chr(10))[2][:200]} Nothing was written. "
            "A worker ends when its machine runs out of memory, and every node needs this version of "
            "Tonewatch. Mend it, then type the same again."
        ) from error
    return [pickle.loads(row["reply"]) for row in done]


def _reply(row: dict[str, Any], function: Callable[[Any], Any]) -> dict[str, bytes]:
    try:
        reply = function(pickle.loads(row["payload"]))
    except Exception as error:
        reply = error
    return {"reply": pickle.dumps(reply)}
