import scipy.linalg  # noqa: F401 # it has a BLAS of its own
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.core.blas import one_blas_thread


def _threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_a_block_has_one_blas_thread_and_what_follows_has_those_of_before() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        with one_blas_thread():
            inside = _threads()

        assert (inside, _threads()) == ({1}, {2})
