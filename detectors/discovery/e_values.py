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

    Decision t has the level ``level * share(t) * (discoveries before it + 1)``; the shares add up
    to 1.

    Parameters
    ----------
    level : float
        In (0, 1).

    Raises
    ------
    InvalidParameterError
        If ``level`` lies outside (0, 1).

    References
    ----------
    Xu, Ramdas: Online Multiple Testing with E-values, AISTATS 2024, doi:10.48550/arXiv.2311.06412

    Examples
    --------
    >>> decisions = ELond(level=0.1)
    >>> [decisions.decide(e_value).is_discovery for e_value in (0.8, 500.0, 0.3, 3.0)]
    [False, True, False, False]
    """

    def __init__(self, level: float) -> None:
        self._level = check_level(level)
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
        share = math.pow(self._n_decided + 1, -_DECAY) / float(zeta(_DECAY))
        return self._level * share * (self._n_discoveries + 1)

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
            "counts": np.array([self._n_decided, self._n_discoveries], dtype=np.int64),
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
        if len(level) != 1 or not 0.0 < level[0] < 1.0 or len(counts) != 2:
            raise InvalidStateError("stored arrays do not describe decisions")
        if not 0 <= counts[1] <= counts[0]:
            raise InvalidStateError("stored array 'counts' has more discoveries than decisions")
        decisions = cls(level[0])
        decisions._n_decided, decisions._n_discoveries = counts
        return decisions
