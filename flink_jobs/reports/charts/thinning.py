"""Long runs become as many points as a picture has room for, without losing an extreme."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def thin(x: ArrayLike, *series: ArrayLike, n_columns: int) -> NDArray[np.intp]:
    """The places to draw: of each pixel column the first, and the extremes of each series.

    Parameters
    ----------
    x : array_like, shape (n,)
        Ascending.
    *series : array_like, shape (n,)
        NaN where there is no value.
    n_columns : int
        Columns of equal width into which the range of ``x`` is cut.

    Returns
    -------
    ndarray of intp
        Ascending; all places where a run has at most ``2 * n_columns`` of them.

    Examples
    --------
    >>> thin(range(8), [0, 0, 0, 9, 0, 0, -1, 0], n_columns=2)
    array([0, 3, 4, 6, 7])
    """
    places = np.asarray(x, dtype=np.float64)
    n = len(places)
    if n <= 2 * n_columns:
        return np.arange(n)
    width = (places[-1] - places[0]) / n_columns or 1.0
    column = np.minimum(((places - places[0]) / width).astype(np.intp), n_columns - 1)
    firsts = np.flatnonzero(np.diff(column, prepend=-1))
    kept: list[NDArray[np.intp]] = [firsts, np.array([n - 1])]
    for values in series:
        y = np.asarray(values, dtype=np.float64)
        for filled in (np.where(np.isnan(y), np.inf, y), np.where(np.isnan(y), np.inf, -y)):
            # Stable, so that of equal values the first is kept.
            order = np.lexsort((filled, column))
            kept.append(order[np.flatnonzero(np.diff(column[order], prepend=-1))])
    return np.asarray(np.unique(np.concatenate(kept)))
