"""Two-sample tests by their definition, with plain Python and SciPy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

EXACT_KS = 10_000
"""Up to this product of the sizes p-values of KS are exact."""

_N_BINS = 10
_GREATER_THAN_ALL = 1e300


class Result(NamedTuple):
    """What a test says; None is what the definition leaves open."""

    statistic: float | None = None
    p_value: float | None = None
    effect_size: float | None = None


Column = Sequence[float | None] | Sequence[str | None]


def ks(ref: Sequence[Column], test: Sequence[Column]) -> Result:
    """Kolmogorov-Smirnov of each column, with Bonferroni's correction."""
    found = [
        stats.ks_2samp(_observed(a), _observed(b), method="exact")
        for a, b in zip(ref, test, strict=True)
    ]
    p_value = min(1.0, len(found) * min(each.pvalue for each in found))
    is_exact = len(ref[0]) * len(test[0]) <= EXACT_KS
    return Result(max(each.statistic for each in found), p_value if is_exact else None)


def chi_square(ref: Sequence[Column], test: Sequence[Column]) -> Result:
    """Pearson's chi-square of one column; None of all where a category of the reference is rare."""
    ((before,), (after,)) = ref, test
    known = {text for text, n in Counter(before).items() if text is not None and n > 3}
    if known != {text for text in before if text is not None}:
        return Result()

    def cell(text: object) -> Hashable:
        return text if text is None or text in known else ("other",)

    table = _table(before, after, cell)
    if table.shape[1] == 1:
        return Result(0.0, 1.0, 0.0)
    effect_size = _corrected_v(table)
    if table.shape[1] == 2:
        p_value = _exact_of_two(table)
        return Result(-math.log10(p_value), p_value, effect_size)
    return Result(None, None, effect_size)


def psi(ref: Sequence[Column], test: Sequence[Column]) -> Result:
    """The largest population stability index of the columns."""
    return Result(max(map(_psi, ref, test)))


def jensen_shannon(ref: Sequence[Column], test: Sequence[Column]) -> Result:
    """The largest Jensen-Shannon distance of the columns."""
    return Result(max(map(_jensen_shannon, ref, test)))


def asymptotic_p_value(ref: Sequence[Column], test: Sequence[Column]) -> float | None:
    """The chi-square distribution's p-value of a table that is large enough for it."""
    ((before,), (after,)) = ref, test
    table = _table(before, after, lambda text: text)
    if table.shape[1] < 2:
        return None
    found = stats.chi2_contingency(table, correction=False)
    return float(found.pvalue) if found.expected_freq.min() >= 5 else None


BY_KIND: dict[str, Callable[[Sequence[Column], Sequence[Column]], Result]] = {
    "ks": ks,
    "chi_square": chi_square,
    "psi": psi,
    "jensen_shannon": jensen_shannon,
}


def _observed(column: Column) -> list[float]:
    """Numbers, of which a missing one is greater than every other."""
    return [_GREATER_THAN_ALL if value is None else float(value) for value in column]


def _table(before: Column, after: Column, cell: Callable[[object], Hashable]) -> NDArray[np.int64]:
    counted = [Counter(map(cell, column)) for column in (before, after)]
    cells = sorted({key for counts in counted for key in counts}, key=repr)
    return np.array([[counts[key] for key in cells] for counts in counted])


def _corrected_v(table: NDArray[np.int64]) -> float:
    """Cramér's V without its bias: Bergsma, 2013."""
    n, k = int(table.sum()), table.shape[1]
    v_squared = stats.chi2_contingency(table, correction=False).statistic / n
    corrected = (v_squared - (k - 1) / (n - 1)) * (n - 1) / (n - 2)
    return math.sqrt(min(1.0, max(0.0, corrected)))


def _exact_of_two(table: NDArray[np.int64]) -> float:
    """The share of all tables with these margins that are as far from the expected one."""
    (n_ref, n_test), (n_first, _) = table.sum(axis=1), table.sum(axis=0)
    expected = n_first * n_test / (n_ref + n_test)
    possible = np.arange(max(0, n_first - n_ref), min(n_first, n_test) + 1)
    shares = stats.hypergeom(n_ref + n_test, n_first, n_test).pmf(possible)
    is_as_far = np.abs(possible - expected) >= abs(table[1, 0] - expected) * (1 - 1e-9)
    return float(shares[is_as_far].sum())


def _binned(before: Column, after: Column) -> NDArray[np.int64]:
    """Counts in the bins between the tenths of the reference, and of missing values."""
    observed = sorted(float(value) for value in before if value is not None)
    values = Counter(observed)
    if len(values) <= _N_BINS and min(values.values()) > 3:
        return _table(before, after, lambda v: v if v is None or v in values else ("other",))
    n = len(observed)
    edges = {observed[math.ceil(n * tenth / _N_BINS) - 1] for tenth in range(1, _N_BINS)}
    if len(values) <= _N_BINS:
        edges = set(sorted(values)[:-1])

    def bin_of(value: object) -> Hashable:
        if value is None:
            return None
        return min((edge for edge in edges if float(str(value)) <= edge), default="beyond")

    return _table(before, after, bin_of)


def _psi(before: Column, after: Column) -> float:
    ref, test = _binned(before, after)
    n_ref, n_test, added = ref.sum(), test.sum(), len(ref) / 2
    total = 0.0
    for in_ref, in_test in zip(ref.tolist(), test.tolist(), strict=True):
        spread = added * (in_ref + in_test) / (n_ref + n_test)
        p, q = (in_ref + spread) / (n_ref + added), (in_test + spread) / (n_test + added)
        total += (p - q) * math.log(p / q)
    return total


def _jensen_shannon(before: Column, after: Column) -> float:
    ref, test = _binned(before, after)
    return float(jensenshannon(ref / ref.sum(), test / test.sum(), base=2))
