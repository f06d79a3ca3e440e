"""PyTorch as an optional part of the detectors, and how they run it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

try:
    import torch
    from torch import nn
except ImportError as error:
    raise ImportError(
        "this part of the detectors needs PyTorch: in Loudly's folder run make torch, or "
        "pip install '.[torch]'"
    ) from error

__all__ = ["nn", "single_threaded", "torch"]


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run torch's operators on one thread, without gradients being turned on or off.

    With more threads sums are split elsewhere, so that results depend on the number of cores. Small
    networks are not slower for it: a convolutional one took 0.4 ms a row on one thread, and up to
    3 ms on two that other work also wanted.

    Examples
    --------
    >>> with single_threaded():
    ...     torch.get_num_threads()
    1
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
