"""What the readers of files of columns share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa


class Piece(NamedTuple):
    """Rows of a file.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
    offsets : ndarray of int64, shape (n,)
        Their numbers in the file, from 0.
    n_read : int
        Bytes of the file that have been read.
    ragged : list of (int, str)
        The rows before these that have no columns, and what is wrong with them.
    """

    batch: pa.RecordBatch
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    n_read: int
    ragged: list[tuple[int, str]]


def bytes_at_a_time(n_rows: int, *, per_row: int, least: int, most: int) -> int:
    """How much of a file to read at a time for batches of so many rows.

    Examples
    --------
    >>> [bytes_at_a_time(n, per_row=10, least=100, most=500) for n in (1, 20, 1000)]
    [100, 200, 500]
    """
    return max(least, min(n_rows * per_row, most))
