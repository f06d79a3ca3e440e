"""Linear algebra on one thread, so that results do not depend on how many cores a machine has."""

from __future__ import annotations

# It brings a BLAS of its own; limits hold for what is loaded.
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_limits


def use_one_thread() -> threadpool_limits:
    """Let BLAS use one thread in this process, or until the returned context ends.

    Products of several threads are rounded in another order: with two, the null distribution of MMD
    differs in the eighth digit, and with it the threshold that a score shows.

    Examples
    --------
    >>> with use_one_thread():
    ...     pass
    """
    return threadpool_limits(limits=1, user_api="blas")
