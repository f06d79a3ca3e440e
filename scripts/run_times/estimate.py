"""How run times differ from detector to detector, without the error of having measured them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import gammainc, gammaincinv, gammaln

from detectors.base import FloatArray

# Squared spreads of rates, relative to their mean, from none to a factor of three.
_SPREADS: FloatArray = np.append(1e-6, np.geomspace(1e-4, 2.0, 60))
_RESAMPLES = 200
# Alarms that come like a clock's would leave nothing to chance.
_LEAST_IRREGULARITY = 0.01
_INTERVAL = (0.05, 0.95)


class Estimate(NamedTuple):
    """True run times over all references, as multiples of the promise.

    Attributes
    ----------
    share : float
        Of references that run as long as promised, or longer.
    lower_decile, median : float
    lower_decile_interval : tuple of float
        Holds 90 % of what other detectors, drawn from these, give.
    """

    share: float
    lower_decile: float
    median: float
    lower_decile_interval: tuple[float, float]


def estimate(
    runs: Sequence[Sequence[float]], n_windows: Sequence[float], target: float
) -> Estimate:
    """Estimate how the true run times of detectors differ from those that were measured.

    A detector that has watched ``t`` run times and has a rate of ``a`` incidents in each has a
    number of incidents that is Poisson's with the mean ``a * t``, where they come by chance alone.
    Where they come more evenly, the variance is smaller, by that of single runs over their squared
    mean, and so many incidents say as much as more of them. Over references the rates are taken to
    have a gamma distribution. Its mean is that of all incidents over all that was watched; its
    spread is the most likely one, and what the numbers differ beyond it is chance.

    Parameters
    ----------
    runs : sequence of sequences of float, shape (n_detectors,)
        Windows without an incident before each incident of a detector.
    n_windows : sequence of float, shape (n_detectors,)
        All windows without an incident.
    target : float
        The promised run time in windows.

    Examples
    --------
    Of equal detectors the run times differ by chance alone.

    >>> rng = np.random.default_rng(0)
    >>> runs = rng.exponential(120, size=(200, 20))
    >>> found = estimate(runs, runs.sum(axis=1), target=100)
    >>> bool(1.1 < found.lower_decile < found.median < 1.3), found.share > 0.9
    (True, True)
    """
    unit = target * irregularity(runs)
    counts = np.array([len(each) for each in runs]) * target / unit
    times = np.asarray(n_windows, dtype=np.float64) / unit
    draws = np.random.default_rng(0).integers(counts.size, size=(_RESAMPLES, counts.size))
    resampled = [_run_times(counts[draw], times[draw])[1] for draw in draws]
    share, lower, median = _run_times(counts, times)
    low, high = np.quantile(resampled, _INTERVAL)
    return Estimate(share, lower, median, (float(low), float(high)))


def irregularity(runs: Sequence[Sequence[float]]) -> float:
    """Give the variance of the runs of a detector over their squared mean; 1 by chance alone.

    The mean over detectors that have two runs or more, each of which counts as one less than its
    runs; 1 where none has.

    Examples
    --------
    >>> irregularity([[90.0, 110.0, 100.0], [200.0, 200.0]]) < 0.02
    True
    """
    several = [np.asarray(each, dtype=np.float64) for each in runs if len(each) > 1]
    weights = sum(each.size - 1 for each in several)
    # For exponential runs the variance of n over their squared mean is too small, by n / (n + 1).
    ratios = (
        (each.size + 1) / each.size * float(((each - each.mean()) ** 2).sum() / each.mean() ** 2)
        for each in several
    )
    return max(sum(ratios) / weights, _LEAST_IRREGULARITY) if weights else 1.0


def _run_times(counts: FloatArray, times: FloatArray) -> tuple[float, float, float]:
    """Give the share at or above 1, the lower decile and the median."""
    # Without any incident one is counted, as if the next window had started it.
    rate = max(float(counts.sum()), 1.0) / float(times.sum())
    shape = 1.0 / _most_likely_spread(counts, times * rate)
    worst, middle = gammaincinv(shape, [0.9, 0.5]) / shape * rate
    return float(gammainc(shape, shape / rate)), float(1.0 / worst), float(1.0 / middle)


def _most_likely_spread(counts: FloatArray, expected: FloatArray) -> float:
    """Find the spread under which such counts, negative binomial, are the most likely."""
    shape = 1.0 / _SPREADS[:, np.newaxis]
    logs = (
        gammaln(shape + counts)
        - gammaln(shape)
        + counts * np.log(expected / (shape + expected))
        - shape * np.log1p(expected / shape)
    )
    return float(_SPREADS[np.argmax(logs.sum(axis=1))])
