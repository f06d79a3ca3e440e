"""What happens to memory that is freed: glibc alone decides, and it can be told."""

from __future__ import annotations

import ctypes

import numpy as np

# Several times what a batch takes.
_LARGE_BYTES = 8 << 20


def keep_freed_memory() -> None:
    """Use freed memory again instead of giving it back to the system and getting it cleared.

    glibc maps each block above a threshold by itself. Freeing one raises the threshold to its size,
    up to 32 MiB: mallopt(3), ``M_MMAP_THRESHOLD``. A batch then takes half the page faults.
    """
    np.empty(_LARGE_BYTES, dtype=np.uint8)


def give_back_freed_memory() -> None:
    """Give back to the system what is free now: this process will not need so much again."""
    # Other C libraries have no such call, and need none.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
