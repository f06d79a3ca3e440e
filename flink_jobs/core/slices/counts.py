"""Counts of a test's cells, which add up over panes, slices and windows.

A value lies in one cell, so that few values are stored as the cells they lie in, and many as one
count for each cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

_Width = np.dtype[np.unsignedinteger[Any]]
_WIDTHS: tuple[tuple[int, _Width], ...] = tuple(
    (np.iinfo(kind).max, np.dtype(kind)) for kind in (np.uint8, np.uint16, np.uint32, np.uint64)
)


class Counts(Struct, array_like=True):
    """How many values lie in each cell.

    Attributes
    ----------
    n_cells : int
    width : int
        Bytes of each number in ``data``.
    is_dense : bool
        Whether ``data`` holds a count for each cell, rather than a cell for each value.
    data : bytes
    """

    n_cells: int
    width: int
    is_dense: bool
    data: bytes

    def array(self) -> NDArray[np.unsignedinteger[Any]]:
        """The numbers of ``data``, read-only."""
        return np.frombuffer(self.data, dtype=f"u{self.width}")


def counts_of(cells: NDArray[np.integer[Any]], n_cells: int) -> Counts:
    """Count values by the cells they lie in.

    Parameters
    ----------
    cells : ndarray of int, shape (n, n_dimensions)
    n_cells : int

    Examples
    --------
    >>> counts = counts_of(np.array([[0, 4], [0, 3], [1, 4]]), 5)
    >>> counts.is_dense, total([counts], 5)
    (True, array([2, 1, 0, 1, 2]))
    """
    width = _width_for(n_cells)
    if cells.size * width.itemsize < n_cells:
        return Counts(n_cells, width.itemsize, False, cells.astype(width).tobytes())
    return _dense(np.bincount(cells.ravel(), minlength=n_cells))


def add_to(sums: NDArray[np.int64], counts: Counts, sign: int = 1) -> None:
    """Add counts to dense sums in place, or take them off with ``sign`` -1."""
    numbers = counts.array()
    if not counts.is_dense:
        numbers = np.bincount(numbers, minlength=counts.n_cells)  # type: ignore[assignment]
    if sign > 0:
        np.add(sums, numbers, out=sums, casting="unsafe")
    else:
        np.subtract(sums, numbers, out=sums, casting="unsafe")


def total(parts: Sequence[Counts], n_cells: int) -> NDArray[np.int64]:
    """Add counts up, shape (n_cells,)."""
    sums = np.zeros(n_cells, dtype=np.int64)
    sparse = [part.array() for part in parts if not part.is_dense]
    if sparse:
        sums += np.bincount(np.concatenate(sparse), minlength=n_cells)
    for part in parts:
        if part.is_dense:
            add_to(sums, part)
    return sums


def merged(parts: Sequence[Counts]) -> Counts:
    """Return the sum of counts as counts, in whichever form is smaller."""
    first = parts[0]
    if len(parts) == 1:
        return first
    n_values = sum(len(part.data) // part.width for part in parts)
    width = _width_for(first.n_cells)
    are_sparse = not any(part.is_dense for part in parts)
    if are_sparse and n_values * width.itemsize < first.n_cells:
        data = b"".join(part.data for part in parts)
        return Counts(first.n_cells, width.itemsize, False, data)
    return _dense(total(parts, first.n_cells))


def _dense(counts: NDArray[np.int64]) -> Counts:
    width = _width_for(int(counts.max()) + 1 if counts.size else 1)
    return Counts(counts.size, width.itemsize, True, counts.astype(width).tobytes())


def _width_for(n_values: int) -> _Width:
    """The narrowest type that holds the numbers 0 to ``n_values - 1``."""
    return next(width for largest, width in _WIDTHS if n_values - 1 <= largest)
