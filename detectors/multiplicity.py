"""Corrections of p-values for the number of dimensions tested at once.

Every correction maps the vector of p-values to the vector of adjusted p-values, so that a dimension
is rejected at ``level`` where its adjusted p-value is at most ``level``; the smallest adjusted
p-value is the p-value of the whole vector.
"""

from __future__ import annotations

import numpy as np

from detectors.base import FloatArray


def bonferroni(p_values: FloatArray, n_dimensions: int | None = None) -> FloatArray:
    """Bonferroni's correction, valid under any dependence between the dimensions.

    Parameters
    ----------
    p_values : ndarray of float64
        Uncorrected p-values.
    n_dimensions : int, optional
        How many dimensions were tested; ``p_values.size`` where not given.

    Returns
    -------
    ndarray of float64, same shape
        ``p_values`` times ``n_dimensions``, at most 1.

    References
    ----------
    Dunn: Multiple Comparisons among Means, JASA 1961, doi:10.1080/01621459.1961.10482090

    Examples
    --------
    >>> bonferroni(np.array([0.01, 0.4, 0.8]))
    array([0.03, 1.  , 1.  ])
    """
    return np.minimum(1.0, p_values * (n_dimensions or p_values.size))
