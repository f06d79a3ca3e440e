"""Simulated streams without a drift: how often a level starts incidents, reference by reference.

For many rows the empirical distribution of a window is the truth plus a Brownian bridge over the
root of its rows, whatever the distribution. So is that of the reference, which never changes. A
statistic then depends on four things alone: the rows of a window over those of the reference, how
much windows overlap, the number of dimensions, and the rule that makes an incident of windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi

from detectors.base import FloatArray

_Float32s = NDArray[np.float32]

# Points at which a bridge is known. The largest distance at them is that of a whole bridge less
# 0.5826 steps (Siegmund 1985), which the p-values below add again.
_N_POINTS = 31
_GRID_SHIFT = 0.5826 / np.sqrt(_N_POINTS + 1)
# At 256 the quantile of 10 % lies between the true ones of 7 and 13 % in 9 of 10 cases.
_N_REFERENCES = 256
_CHUNK = 16_384


class IncidentRule(NamedTuple):
    """How drifting windows start an incident.

    Attributes
    ----------
    to_start, within : int
        A drifting window starts one when ``to_start`` of the last ``within`` drifted.
    to_recover : int
        Normal windows in a row that end it.
    """

    to_start: int = 1
    within: int = 1
    to_recover: int = 3


class NullStreams:
    """Streams of windows against many references, all of one distribution.

    Parameters
    ----------
    share : float
        Rows of a window over rows of the reference.
    overlap : int
        Windows to which a row belongs.
    n_dimensions : int
        Each with a statistic of its own, of which the smallest p-value counts.
    rule : IncidentRule
    seed : int

    Notes
    -----
    Windows and dimensions are independent but for the rows that they share. What depends on each
    other drifts together, and starts fewer incidents.
    """

    def __init__(
        self, share: float, overlap: int, n_dimensions: int, rule: IncidentRule, seed: int = 0
    ) -> None:
        self._share, self._overlap, self._rule = share, overlap, rule
        self._n_dimensions = n_dimensions
        self._seed = seed

    def run_times(self, n_windows: int, levels: FloatArray) -> FloatArray:
        """Count the windows without an incident per incident, shape (n_references, n_levels).

        At least 2 windows for each level; where no incident started, as if the next one did.
        """
        thresholds = _distance(levels / self._n_dimensions) * np.sqrt(1.0 + self._share)
        places, distances = self._far_windows(n_windows, float(thresholds.min()))
        run_times = np.empty((_N_REFERENCES, levels.size))
        for j, threshold in enumerate(thresholds.tolist()):
            # One reference after the other, each in the order of its windows.
            reference, at = np.nonzero(np.float32(threshold) <= distances.T)
            n_starts, n_open = _incidents(reference, places[at], self._rule)
            run_times[:, j] = (n_windows - n_open) / np.maximum(n_starts, 1)
        return run_times

    def _far_windows(self, n_windows: int, threshold: float) -> tuple[NDArray[np.int64], _Float32s]:
        """Places of the windows that may reach a threshold, and their distances (n, n_references).

        Few do: no window is further from a reference than both are from the truth.
        """
        far = threshold - max(float(np.abs(each).max()) for each in self._references)
        places, found = [], []
        for first, windows in self._windows(n_windows):
            heights = np.abs(windows).max(axis=1)
            at = np.flatnonzero((heights >= far).any(axis=0))
            distances = np.zeros((at.size, _N_REFERENCES), dtype=np.float32)
            for own, refs, high in zip(windows, self._references, heights, strict=True):
                may = np.flatnonzero(high[at] >= far)
                near = own[:, at[may]]
                for b, ref in enumerate(refs):
                    column = np.abs(near - ref[:, np.newaxis]).max(axis=0, initial=0.0)
                    distances[may, b] = np.maximum(distances[may, b], column)
            places.append(first + at)
            found.append(distances)
        return np.concatenate(places), np.concatenate(found)

    @cached_property
    def _references(self) -> list[_Float32s]:
        rng = np.random.default_rng((self._seed, 0))
        scale = np.float32(np.sqrt(self._share))
        return [scale * _bridges(rng, _N_REFERENCES) for _ in range(self._n_dimensions)]

    def _windows(self, n_windows: int) -> Iterator[tuple[int, _Float32s]]:
        """Give windows in parts: the place of the first, shape (n_dimensions, _N_POINTS, n).

        Points come first: the largest of 31 numbers is found four times as fast down a column.
        """
        rng = np.random.default_rng((self._seed, 1))
        root = np.sqrt(np.float32(self._overlap))
        for first in range(0, n_windows, _CHUNK):
            n = min(_CHUNK, n_windows - first)
            parts = []
            for _ in range(self._n_dimensions):
                slides = _bridges(rng, n + self._overlap - 1)
                sums = np.cumsum(slides, axis=0, dtype=np.float64)
                sums[self._overlap :] -= sums[: -self._overlap].copy()
                parts.append(sums[self._overlap - 1 :].T.astype(np.float32, order="C") / root)
            yield first, np.stack(parts)


def _bridges(rng: np.random.Generator, n: int) -> _Float32s:
    steps = rng.standard_normal((n, _N_POINTS + 1), dtype=np.float32)
    walks = np.cumsum(steps, axis=1) / np.float32(np.sqrt(_N_POINTS + 1))
    shares = np.arange(1, _N_POINTS + 2, dtype=np.float32) / np.float32(_N_POINTS + 1)
    return np.asarray((walks - shares * walks[:, -1:])[:, :-1])


def _distance(p_values: FloatArray) -> FloatArray:
    """Give the distance that a bridge, known at some points, exceeds with these probabilities."""
    return np.asarray(np.maximum(kolmogi(p_values) - _GRID_SHIFT, 0.0))


def _incidents(
    reference: NDArray[np.int64], place: NDArray[np.int64], rule: IncidentRule
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count incidents and the windows within them, shape (n_references,) each.

    Drifting windows less than ``to_recover`` normal ones apart are a run; a run in which some
    window meets the rule is an incident from then on. Windows before a recovery count again here,
    which they do not in a job: never fewer incidents.
    """
    starts = np.zeros(_N_REFERENCES, dtype=np.int64)
    inside = np.zeros(_N_REFERENCES, dtype=np.int64)
    if not place.size:
        return starts, inside
    is_same = reference[1:] == reference[:-1]
    begins = np.append(True, ~is_same | (np.diff(place) > rule.to_recover))
    run = np.cumsum(begins) - 1
    back = rule.to_start - 1
    meets = np.zeros(place.size, dtype=np.bool_)
    if place.size > back:
        meets[back:] = place[back:] - place[: place.size - back] < rule.within
        meets[back:] &= reference[back:] == reference[: place.size - back]
    found, first = np.unique(run[meets], return_index=True)
    last = np.append(np.flatnonzero(begins)[1:], place.size) - 1
    begun_at, ended_at = place[meets][first], place[last[found]] + rule.to_recover
    whose = reference[last[found]]
    np.add.at(starts, whose, 1)
    np.add.at(inside, whose, ended_at - begun_at)
    return starts, inside
