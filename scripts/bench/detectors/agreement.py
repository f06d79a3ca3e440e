"""Agreement of the numbers of two workers. Each check returns what disagreed, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import fisher_exact

Value = dict[str, Any]
Check = Callable[[Sequence[Value], Sequence[Value]], list[str]]

_MONTE_CARLO_LEVEL = 1e-4


def close(ours: str, theirs: str, absolute: float = 0.0, relative: float = 0.0) -> Check:
    """A check that the lists named ``ours`` and ``theirs`` are close, number by number.

    Examples
    --------
    >>> close("a", "a", absolute=0.1)([{"a": [1.0]}], [{"a": [1.5]}])
    ['a: 1.0 and 1.5 are 0.5 apart']
    """

    def check(our_values: Sequence[Value], their_values: Sequence[Value]) -> list[str]:
        a = _joined(our_values, ours)
        b = _joined(their_values, theirs)
        if a.shape != b.shape or not a.size:
            return [f"{ours}: {a.size} numbers and {b.size}"]
        # false for NaN, so that a NaN on either side disagrees
        agree = np.abs(a - b) <= absolute + relative * np.maximum(np.abs(a), np.abs(b))
        if agree.all():
            return []
        worst = int(np.argmax(np.where(agree, -1.0, np.nan_to_num(np.abs(a - b), nan=np.inf))))
        return [f"{ours}: {a[worst]} and {b[worst]} are {abs(a[worst] - b[worst]):.3g} apart"]

    return check


def same_rejection_counts(ours: Sequence[Value], theirs: Sequence[Value]) -> list[str]:
    """Both drew permutations of their own: their counts may differ as random counts do.

    Fisher's exact test on the counts of all rounds together, at 1e-4.

    Examples
    --------
    >>> few, many = ({"n_reaching": k, "n_permutations": 1000} for k in (100, 300))
    >>> same_rejection_counts([few], [few]), len(same_rejection_counts([few], [many]))
    ([], 1)
    """
    tables = [
        (sum(v["n_reaching"] for v in values), sum(v["n_permutations"] for v in values))
        for values in (ours, theirs)
    ]
    p_value = fisher_exact([[reaching, n - reaching] for reaching, n in tables]).pvalue
    if p_value > _MONTE_CARLO_LEVEL:
        return []
    counts = " and ".join(f"{reaching} of {n}" for reaching, n in tables)
    return [f"permutations that reach the statistic: {counts}"]


def _joined(values: Sequence[Value], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([number for value in values for number in value[name]], dtype=np.float64)
