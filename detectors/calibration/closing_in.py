"""Learning from windows that did not drift how far off a reference is.

A reference is off by chance, and nobody knows how far: so the promise of a run time is kept for
the worst of ten. Each window that is tested without an incident tells a little about the reference
at hand. One that is near the truth has windows that are near it, and earns a higher level; one that
is further off than most gets a lower one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from detectors.base import FloatArray

# Capped, so that a window which drifts counts for little more than one that nearly does.
_MOST_SURPRISE = 3.0
# Mean and standard deviation over windows, for references that are not off, with the cap. So have
# 256 references of 2 to 100 windows, of 4,000 windows each (NullStreams): 0.945 to 0.949, and 0.80
# to 0.84.
_SURPRISE, _NOISE = 0.947, 0.84
# The mean over the windows of one reference differs from reference to reference: its standard
# deviation is 0.233, 0.114, 0.032 and 0.007 for windows of 0.5, 0.2, 0.05 and 0.01 of a reference.
_SLOPE, _BEND = 0.68, 0.9
# The correlation of that mean with the logarithm of the run time, over references: 0.92 to 0.98 for
# one dimension. Of several the one that is furthest off decides, and the mean over them says less.
_CORRELATION, _OF_SEVERAL = 0.95, 0.8
# Windows of an incident tell nothing, as if chance had not made some of them. For each incident
# that is about 3 surprises, found by simulating streams with promises of 100 and 1,000 windows.
_LEFT_OUT = 3.0
# What windows say may weigh four times what is known beforehand. So a drift so slow that no window
# ever drifts is learnt from for a time, and not for ever.
_MOST_INFORMATION = 4.0
# Steps in the normal's quantile, so that levels are computed once: 0.05 moves one by 1 to 6 %.
_STEP = 0.05
# A reference that is further off than 95 of 100 needs the level for more than those. With 0.95 for
# the most, 85 to 86 % of 300 references of 2 and 5 windows kept a promise of 100 that 91 % kept
# without closing in (windows by sorting, 5 to a row); with 0.99 it is 93 and 91 %.
_LEAST, _MOST = 0.5, 0.99


class Offset(NamedTuple):
    """How far a reference seems to be off, among all references of its length.

    Attributes
    ----------
    information : float
        How much windows have told: 1 where it is as much as was known beforehand.
    lean : float
        Over one plus the information, the offset in standard deviations over references: above 0
        where windows are further from this one than from most.

    Examples
    --------
    >>> near = far = UNKNOWN_OFFSET
    >>> for _ in range(100):
    ...     near, far = near.with_window(0.2, 0.7), far.with_window(0.2, 1.2)
    >>> [round(each.confidence(0.9), 2) for each in (UNKNOWN_OFFSET, near, far)]
    [0.9, 0.5, 0.99]
    """

    information: float = 0.0
    lean: float = 0.0

    def with_window(
        self, share: float, surprise: float, overlap: int = 1, n_windows: float = math.inf
    ) -> Offset:
        """Learn from one window that was tested while no incident was open.

        Parameters
        ----------
        share : float
            Rows of the window over rows of the reference, both of independent rows.
        surprise : float
            Of its test, as :func:`surprise_of` gives it.
        overlap : int
            Windows to which a row belongs: so many of them tell what one tells.
        n_windows : float
            The promised run time.
        """
        spread = _SLOPE * share / (1.0 + _BEND * share)
        told = (spread / _NOISE) ** 2 / overlap
        if self.information + told > _MOST_INFORMATION:
            return self
        further = (surprise + _LEFT_OUT / n_windows - _SURPRISE) / spread
        return Offset(self.information + told, self.lean + told * further)

    def confidence(self, promised: float, n_dimensions: int = 1) -> float:
        """Give the share of all references that has to run as long as this one is promised to.

        Logarithms of run times are nearly normal over references. What is known of this one moves
        the mean of them and narrows their spread: the quantile of what is left is one of all
        references again, from 0.5 to 0.99.

        Parameters
        ----------
        promised : float
            The share where nothing is known.
        n_dimensions : int
            Of which a test takes the largest statistic.
        """
        if not self.information:
            return promised
        known = self.information / (1.0 + self.information)
        correlation = _CORRELATION if n_dimensions == 1 else _OF_SEVERAL
        mean = correlation * self.lean / (1.0 + self.information)
        spread = math.sqrt(1.0 - correlation**2 * known)
        at = round((mean + spread * float(ndtri(promised))) / _STEP) * _STEP
        return min(_MOST, max(_LEAST, float(ndtr(at))))


UNKNOWN_OFFSET = Offset()


def surprise_of(p_values: FloatArray) -> float:
    """Give the mean surprise of the dimensions of a test, whatever they have in common.

    The largest of them would depend on how they are correlated.

    Parameters
    ----------
    p_values : ndarray of float64, shape (n_dimensions,)
        Uncorrected.
    """
    logs = -np.log(np.maximum(p_values, math.exp(-_MOST_SURPRISE)))
    return float(np.mean(logs))
