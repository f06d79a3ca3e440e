"""Counts of a watcher's last window, from which those of the next follow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flink_jobs.core.slices.slices import Slices

_Add = Callable[[NDArray[np.int64], Slices, int], None]


class RunningSums:
    """The sum of the counts of some slices, kept in memory and never in state.

    It is keyed by the entries and digests of the slices, so that it can hold too much after a
    restore, and never anything wrong.
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] | None = None
        self._slices = Slices()

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return 1_000 if self._counts is None else self._counts.nbytes + 100 * len(self._slices)

    def of(self, slices: Slices, n_cells: int, add: _Add) -> NDArray[np.int64]:
        """Return the sum of the counts of slices, shape (n_cells,).

        ``add`` adds the counts of some slices to an array in place, or takes them off with -1.
        """
        wanted, have = slices.keys(), self._slices.keys()
        has_left, has_come = _is_new(have, wanted), _is_new(wanted, have)
        counts = self._counts
        is_of_use = counts is not None and counts.size == n_cells
        if counts is None or not is_of_use or has_left.sum() + has_come.sum() >= len(wanted):
            counts = np.zeros(n_cells, dtype=np.int64)
            add(counts, slices, 1)
        else:
            add(counts, self._slices.chosen(has_left), -1)
            add(counts, slices.chosen(has_come), 1)
        self._counts, self._slices = counts, slices.chosen(np.arange(len(slices)))
        return counts.copy()

    def leave(self, gone: Slices, add: _Add) -> None:
        """Take off slices whose entries are about to be removed."""
        if self._counts is None:
            return
        # By their entries alone: a slice that was open has grown since its counts were added.
        is_gone = ~_is_new(self._slices.first_parts(), gone.first_parts())
        if is_gone.any():
            add(self._counts, self._slices.chosen(is_gone), -1)
            self._slices = self._slices.chosen(~is_gone)

    def clear(self) -> None:
        """Forget everything."""
        self._counts, self._slices = None, Slices()


def _is_new(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which keys are not among those known; both ascend, as entries are numbered."""
    if not len(known):
        return np.ones(len(keys), dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.not_equal(known[places], keys)
