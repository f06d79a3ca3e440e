"""Counts of a watcher's last window, from which those of the next follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from flink_jobs.core.slices.slices import Slice

_Key = tuple[int, int]
_Add = Callable[[NDArray[np.int64], Slice, int], None]


class RunningSums:
    """The sum of the counts of some slices, kept in memory and never in state.

    It is keyed by the digests of the slices, so that it can hold too much after a restore, and
    never anything wrong.
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] | None = None
        self._slices: dict[_Key, Slice] = {}

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return 1_000 if self._counts is None else self._counts.nbytes + 200 * len(self._slices)

    def of(self, slices: Sequence[Slice], n_cells: int, add: _Add) -> NDArray[np.int64]:
        """Return the sum of the counts of slices, shape (n_cells,).

        ``add`` adds the counts of one slice to an array in place, or takes them off with -1.
        """
        wanted = {_key(each): each for each in slices}
        counts = self._counts
        if counts is None or counts.size != n_cells or not self._reaches(wanted):
            counts = np.zeros(n_cells, dtype=np.int64)
            self._slices = {}
        for key, each in self._slices.items():
            if key not in wanted:
                add(counts, each, -1)
        for key, each in wanted.items():
            if key not in self._slices:
                add(counts, each, 1)
        self._counts, self._slices = counts, wanted
        return counts.copy()

    def leave(self, gone: Iterable[Slice], add: _Add) -> None:
        """Take off slices whose entries are about to be removed."""
        for each in gone:
            if self._counts is not None and self._slices.pop(_key(each), None) is not None:
                add(self._counts, each, -1)

    def clear(self) -> None:
        """Forget everything."""
        self._counts, self._slices = None, {}

    def _reaches(self, wanted: dict[_Key, Slice]) -> bool:
        """Whether less has to be read than for adding everything anew."""
        n_common = sum(key in self._slices for key in wanted)
        return len(self._slices) - n_common < n_common


def _key(each: Slice) -> _Key:
    return each.first_event, each.digest
