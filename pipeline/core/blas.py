"""The threads of the linear algebra behind NumPy, SciPy and scikit-learn."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let products of matrices run in one thread while the block runs.

    Logistic regression of some thousand texts and the detectors of drift have many small products. Beside
    other work their threads wait for each other longer than they compute: 17 s instead of 0.9 s for a
    regression of 3,000 texts on two cores.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
