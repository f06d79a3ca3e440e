"""Control of false discoveries from e-values, at once and one decision after the other.

An e-value is a number of at least 0 whose mean is at most 1 where there is nothing to discover;
the larger, the stronger the evidence. Nothing is assumed of how e-values depend on each other.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import zeta

from detectors.base import StateArrays
from detectors.checks import check_level, state_array
from detectors.errors import InvalidParameterError, InvalidSampleError, InvalidStateError

_DECAY = 1.6
"""Shares of the budget fall as ``t ** -1.6``: the first of them has 0.44 of it, the thousandth
7e-6. A slower fall leaves more to late decisions and less to early ones."""


def e_benjamini_hochberg(e_values: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Say which hypotheses are discoveries, with a share of false ones of at most ``level``.

    The share is the mean of false discoveries over discoveries, 0 where there is none. It holds
    for e-values that depend on each other in any way.

    Parameters
    ----------
    e_values : array_like of float, shape (n,)
        At least 0; infinity is allowed.
    level : float
        In (0, 1).

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    InvalidSampleError
        If an e-value is negative or NaN.
    InvalidParameterError
        If ``level`` lies outside (0, 1).

    References
    ----------
    Wang, Ramdas: False Discovery Rate Control with E-values, JRSS B 2022, doi:10.1111/rssb.12489

    Examples
    --------
    >>> e_benjamini_hochberg([80.0, 0.5, 45.0, 1.2], level=0.05)
    array([ True, False,  True, False])
    """
    check_level(level)
    values = np.asarray(e_values, dtype=np.float64)
    if values.ndim != 1 or np.isnan(values).any() or (values < 0.0).any():
        raise InvalidSampleError("e-values must be numbers of at least 0 in one dimension")
    order = np.argsort(-values, kind="stable")
    needed = values.size / (level * np.arange(1, values.size + 1))
    passing = np.flatnonzero(values[order] >= needed)
    are_discoveries = np.zeros(values.size, dtype=np.bool_)
    if passing.size:
        are_discoveries[order[: passing[-1] + 1]] = True
    return are_discoveries


_EXPONENT = 1.0 / 16.0
"""Of the calibrator. The best one for a p-value is ``1 / ln(1 / p)``: 1/16 is it at 1e-7, where
decisions among tens of thousands fall."""


def e_value_of(p_value: float) -> float:
    """Turn a p-value into an e-value: ``p ** (1/16 - 1) / 16``.

    Its integral over the p-values from 0 to 1 is 1, and it falls: so for every valid p-value its
    mean is at most 1 where there is nothing to discover. It pays for that: 1e-8 becomes 2e6, not
    1e8.

    Parameters
    ----------
    p_value : float
        From 0 to 1.

    Returns
    -------
    float
        From 1/16 on; infinity for 0.

    Raises
    ------
    InvalidParameterError
        If ``p_value`` lies outside [0, 1].

    References
    ----------
    Vovk, Wang: E-values: Calibration, combination and applications, Annals of Statistics 2021,
    doi:10.1214/20-AOS2020

    Examples
    --------
    >>> round(e_value_of(1e-8)), e_value_of(1.0)
    (1976424, 0.0625)
    """
    if not 0.0 <= p_value <= 1.0:
        raise InvalidParameterError(f"a p-value lies between 0 and 1, not at {p_value}")
    return math.inf if p_value == 0.0 else _EXPONENT * math.pow(p_value, _EXPONENT - 1.0)


class Discovery(NamedTuple):
    """One decision.

    Attributes
    ----------
    is_discovery : bool
    level : float
        The share of the error budget that the decision had: an e-value of ``1 / level`` or more is
        a discovery.
    """

    is_discovery: bool
    level: float


class ELond:
    """Decides about e-values one after the other, with few false discoveries among all.

    At each moment the mean share of false ones among the discoveries so far is at most ``level``,
    however the e-values depend on each other. A decision never changes, and the number of those to
    come need not be known. Memory is constant.

    Decision t has the level ``level * share(t) * (discoveries before it + 1)``. The shares add up
    to 1 at most and never grow: they fall as ``t ** -1.6``, or, where it is known about how many
    decisions come, half of the budget is spread evenly over these.

    Parameters
    ----------
    level : float
        In (0, 1).
    n_expected : int, default 0
        About how many decisions come; 0 where that is not known. It must not depend on e-values
        that are to be decided about.

    Raises
    ------
    InvalidParameterError
        If ``level`` lies outside (0, 1), or ``n_expected`` is negative.

    References
    ----------
    Xu, Ramdas: Online Multiple Testing with E-values, AISTATS 2024, doi:10.48550/arXiv.2311.06412

    Examples
    --------
    >>> decisions = ELond(level=0.1)
    >>> [decisions.decide(e_value).is_discovery for e_value in (0.8, 500.0, 0.3, 3.0)]
    [False, True, False, False]
    """

    def __init__(self, level: float, n_expected: int = 0) -> None:
        if n_expected < 0:
            raise InvalidParameterError(f"n_expected must be at least 0, not {n_expected}")
        self._level = check_level(level)
        self._n_expected = n_expected
        self._n_decided = self._n_discoveries = 0

    @property
    def n_decided(self) -> int:
        """Decisions so far."""
        return self._n_decided

    @property
    def n_discoveries(self) -> int:
        """Discoveries so far."""
        return self._n_discoveries

    def next_level(self) -> float:
        """Give the share of the error budget that the next decision has."""
        return self._level * self._share() * (self._n_discoveries + 1)

    def pass_over(self, n: int) -> None:
        """Count decisions that are not discoveries, whatever their e-values are.

        Raises
        ------
        InvalidParameterError
            If ``n`` is negative.
        """
        if n < 0:
            raise InvalidParameterError(f"n must be at least 0, not {n}")
        self._n_decided += n

    def _share(self) -> float:
        falling = math.pow(self._n_decided + 1, -_DECAY) / float(zeta(_DECAY))
        if not self._n_expected:
            return falling
        even = 1.0 / self._n_expected if self._n_decided < self._n_expected else 0.0
        return 0.5 * (falling + even)

    def decide(self, e_value: float) -> Discovery:
        """Decide about the next e-value.

        Raises
        ------
        InvalidParameterError
            If it is negative or NaN; nothing is decided then.
        """
        if not e_value >= 0.0:
            raise InvalidParameterError(f"an e-value must be at least 0, not {e_value}")
        level = self.next_level()
        is_discovery = e_value * level >= 1.0
        self._n_decided += 1
        self._n_discoveries += is_discovery
        return Discovery(is_discovery, level)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on."""
        return {
            "level": np.array([self._level]),
            "counts": np.array(
                [self._n_decided, self._n_discoveries, self._n_expected], dtype=np.int64
            ),
        }

    @classmethod
    def from_arrays(cls, arrays: StateArrays) -> Self:
        """Restore decisions that go on as before.

        Raises
        ------
        InvalidStateError
            If an array is missing or does not describe them.
        """
        level = state_array(arrays, "level", ndim=1).tolist()
        counts = state_array(arrays, "counts", ndim=1, kind="i").tolist()
        if len(level) != 1 or not 0.0 < level[0] < 1.0 or len(counts) != 3:
            raise InvalidStateError("stored arrays do not describe decisions")
        n_decided, n_discoveries, n_expected = counts
        if not 0 <= n_discoveries <= n_decided or n_expected < 0:
            raise InvalidStateError("stored array 'counts' does not hold counts of decisions")
        decisions = cls(level[0], n_expected)
        decisions._n_decided, decisions._n_discoveries = n_decided, n_discoveries
        return decisions
