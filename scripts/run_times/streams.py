"""Streams of rows that never change, and how they can. NumPy alone: peers draw the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Rng = np.random.Generator
Draw = Callable[[Rng, int], Rows]
_SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)


@dataclass(frozen=True)
class Stream:
    """Rows in words, and a function that draws them in the order of the stream."""

    words: str
    draw: Draw


def reference_and_rows(stream: str, n_ref: int, number: int, n_rows: int) -> tuple[Rows, Rows]:
    """Draw the reference of a detector and what it watches, shape (n, n_columns) each.

    They depend on the arguments alone, so that all detectors of one number see the same.

    Parameters
    ----------
    stream : str
        One of ``STREAMS``.
    n_ref, number, n_rows : int
    """
    rng = np.random.default_rng((_number_of(stream), n_ref, number))
    draw = STREAMS[stream].draw
    return draw(rng, n_ref), draw(rng, n_rows)


def _number_of(text: str) -> int:
    """Give a number that is the same everywhere."""
    return int.from_bytes(text.encode().ljust(8)[:24], "big")


def _normal(width: int, correlation: float = 0.0) -> Draw:
    def draw(rng: Rng, n: int) -> Rows:
        common = rng.normal(size=(n, 1))
        own = rng.normal(size=(n, width))
        mixed = np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own
        return np.asarray(mixed)

    return draw


def _heavy(rng: Rng, n: int) -> Rows:
    return rng.standard_cauchy(size=(n, 3))


def _rounded(rng: Rng, n: int) -> Rows:
    return np.round(rng.normal(size=(n, 1)), 0)


def _missing(rng: Rng, n: int) -> Rows:
    rows = rng.normal(size=(n, 3))
    rows[rng.uniform(size=rows.shape) < 0.1] = np.nan
    return rows


def _constants(rng: Rng, n: int) -> Rows:
    rows = np.full((n, 3), 7.0)
    rows[:, 1] = 0.0
    rows[:, 2] = rng.normal(size=n)
    return rows


def _categories(rng: Rng, n: int) -> Rows:
    return rng.choice(5, size=(n, 1), p=_SHARES).astype(np.float64)


def _mixed(rng: Rng, n: int) -> Rows:
    return np.hstack([_categories(rng, n), rng.normal(size=(n, 3))])


def _autoregressive(rho: float) -> Draw:
    def draw(rng: Rng, n: int) -> Rows:
        from scipy.signal import lfilter

        steps = rng.normal(size=n) * np.sqrt(1.0 - rho * rho)
        start = rho * rng.normal()
        rows, _ = lfilter([1.0], [1.0, -rho], steps, zi=[start])
        return np.asarray(rows)[:, np.newaxis]

    return draw


def _dependent(rng: Rng, n: int) -> Rows:
    """A category that stays as it is four times in five, and numbers."""
    is_new = rng.uniform(size=n) < 0.2
    is_new[0] = True
    drawn = _categories(rng, n)
    category = drawn[np.flatnonzero(is_new)[np.cumsum(is_new) - 1]]
    numbers = (_autoregressive(rho)(rng, n) for rho in (0.5, 0.9))
    return np.hstack([category, *numbers, rng.normal(size=(n, 1))])


def _slow(rng: Rng, n: int) -> Rows:
    """Noise about a mean that wanders: a tenth of the variance, for hundreds of rows."""
    rows = np.sqrt(0.1) * _autoregressive(0.995)(rng, n) + np.sqrt(0.9) * rng.normal(size=(n, 1))
    return np.asarray(rows)


STREAMS: Mapping[str, Stream] = MappingProxyType(
    {
        "normal 1": Stream("1 normal", _normal(1)),
        "normal 10": Stream("10 normal", _normal(10)),
        "normal 32": Stream("32 normal", _normal(32)),
        "correlated 10": Stream("10 normal, correlation 0.5", _normal(10, 0.5)),
        "correlated 32": Stream("32 normal, correlation 0.5", _normal(32, 0.5)),
        "heavy": Stream("3 Cauchy", _heavy),
        "rounded": Stream("1 normal in whole numbers", _rounded),
        "missing": Stream("3 normal, a tenth missing", _missing),
        "constants": Stream("2 constants, 1 normal", _constants),
        "categories": Stream("1 of 5 categories", _categories),
        "mixed": Stream("1 of 5 categories, 3 normal", _mixed),
        "ar 0.5": Stream("1 AR(1), 0.5", _autoregressive(0.5)),
        "ar 0.9": Stream("1 AR(1), 0.9", _autoregressive(0.9)),
        "slow": Stream("1 normal about a slowly moving mean", _slow),
        "dependent": Stream(
            "1 of 5 categories in runs, 2 AR(1): 0.5 and 0.9, 1 normal", _dependent
        ),
    }
)

# Of the table: a category, two numbers that depend on each other, one alone, one a tenth missing.
_CATEGORY, _FIRST, _SECOND, _GAPPY = 0, 1, 2, 4
_GRADUAL_ROWS = 500


def _table(rng: Rng, n: int) -> Rows:
    numbers = rng.normal(size=(n, 4))
    numbers[:, 1] = 0.5 * numbers[:, 0] + np.sqrt(0.75) * numbers[:, 1]
    numbers[rng.uniform(size=n) < 0.1, 3] = np.nan
    return np.hstack([_categories(rng, n), numbers])


def _redrawn(rows: Rows, rng: Rng) -> None:
    rows[:, _CATEGORY] = rng.integers(5, size=len(rows))


def _rarest(rows: Rows, rng: Rng) -> None:
    rows[rng.uniform(size=len(rows)) < 0.15 / 0.95, _CATEGORY] = 4.0


def _gone(rows: Rows, rng: Rng) -> None:
    rows[rng.uniform(size=len(rows)) < 0.2 / 0.9, _GAPPY] = np.nan


def _moved(rows: Rows, rng: Rng) -> None:
    rows[:, _FIRST] += 0.5


def _all_moved(rows: Rows, rng: Rng) -> None:
    rows[:, _FIRST:] += 0.25


def _wider(rows: Rows, rng: Rng) -> None:
    rows[:, _FIRST] *= 1.5


def _turned(rows: Rows, rng: Rng) -> None:
    rows[:, _SECOND] *= -1.0


def _drifting(rows: Rows, rng: Rng) -> None:
    rows[:, _FIRST] += np.minimum(np.arange(len(rows)) / _GRADUAL_ROWS, 1.0)


SHIFTS: Mapping[str, tuple[str, Callable[[Rows, Rng], None]]] = MappingProxyType(
    {
        "mean": ("mean of one number, by 0.5 standard deviations", _moved),
        "means": ("means of all four numbers, by 0.25", _all_moved),
        "variance": ("one number 1.5 times as wide", _wider),
        "correlation": ("correlation of two numbers from 0.5 to -0.5", _turned),
        "class mix": ("five categories equally often", _redrawn),
        "one category": ("the rarest category from 5% to 20%", _rarest),
        "missing": ("missing values of one number from 10% to 30%", _gone),
        "gradual": (f"mean of one number, by 1 within {_GRADUAL_ROWS} rows", _drifting),
    }
)
"""What happens to the table: words, and a function that changes rows in place."""


def reference_and_table(
    n_ref: int, number: int, n_before: int, n_after: int, shift: str | None = None
) -> tuple[Rows, Rows]:
    """Draw a reference of the table and rows, the last ``n_after`` of which are shifted.

    References of one number are the same, whatever the shift.

    Returns
    -------
    x_ref, rows : ndarray of float64, shape (n, 5)
        The first column holds codes of categories, the last one NaN where a value is missing.
    """
    x_ref = _table(np.random.default_rng((n_ref, number)), n_ref)
    rng = np.random.default_rng((_number_of(shift or "none"), n_ref, number))
    rows = _table(rng, n_before + n_after)
    if shift is not None:
        SHIFTS[shift][1](rows[n_before:], rng)
    return x_ref, rows


def as_numbers(x_ref: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Make finite numbers of tables, as those must who compare rows, shape (n, 10).

    A category becomes a column of 0 and 1. A missing number becomes the median of the reference,
    with a column of 0 and 1 that says so.
    """
    median = float(np.nanmedian(x_ref[:, _GAPPY]))
    return _as_numbers(x_ref, median), _as_numbers(rows, median)


def _as_numbers(rows: Rows, median: float) -> Rows:
    is_gone = np.isnan(rows[:, _GAPPY])
    indicators = rows[:, [_CATEGORY]] == np.arange(5.0)
    gappy = np.where(is_gone, median, rows[:, _GAPPY])
    return np.column_stack([indicators, rows[:, _FIRST:_GAPPY], gappy, is_gone])
