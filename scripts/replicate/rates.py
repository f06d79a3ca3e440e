"""Rates of decisions, with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
from scipy.stats import binomtest

from scripts.replicate.methods import METHODS
from scripts.replicate.paper import NOISE
from scripts.replicate.results import Record
from scripts.replicate.scenarios import CONTROL

CONFIDENCE = 0.95

Where = Callable[[Record], bool]
ONLY_ZEROS = "oz+m_img"


def everything(record: Record) -> bool:
    """All decisions."""
    return True


def only_noise(record: Record) -> bool:
    """Decisions about noise."""
    return record.shift in NOISE


def without_noise(record: Record) -> bool:
    """Decisions about anything but noise."""
    return not only_noise(record)


def of_shifts(*shifts: str) -> Where:
    """Decisions about these shifts."""
    return lambda record: record.shift in shifts


def of_share(share: float) -> Where:
    """Decisions about this share of shifted rows."""
    return lambda record: record.share == share


def of_datasets(*datasets: str) -> Where:
    """Decisions on these datasets."""
    return lambda record: record.dataset in datasets


@dataclass(frozen=True)
class Rate:
    """``n_detected`` of ``n`` decisions found a shift."""

    n_detected: int
    n: int

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """The rate among ``records``."""
        detected = [record.detected for record in records]
        return cls(sum(detected), len(detected))

    @property
    def value(self) -> float:
        """The share detected, NaN without decisions."""
        return self.n_detected / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper–Pearson, as if all decisions were independent.

        Examples
        --------
        >>> tuple(round(bound, 3) for bound in Rate(0, 10).interval)
        (0.0, 0.308)
        """
        if not self.n:
            return 0.0, 1.0
        bounds = binomtest(self.n_detected, self.n).proportion_ci(CONFIDENCE, method="exact")
        return float(bounds.low), float(bounds.high)

    def __str__(self) -> str:
        if not self.n:
            return "–"
        low, high = self.interval
        return f"{short(self.value)} ({short(low)}–{short(high)})"


def short(share: float) -> str:
    """Two digits after the point, without the zero before it."""
    return f"{share:.2f}".removeprefix("0") if share < 0.995 else "1"


def percent(share: float) -> str:
    """One digit after the point.

    Examples
    --------
    >>> percent(0.9666)
    '96.7 %'
    """
    return f"{share * 100:.1f} %"


class Decisions:
    """All decisions, to be counted.

    Beyond the number of zeros in a test split, 'only zeros' keeps the decision that it reached with
    the largest sample below, as the paper does beyond 1,000; without that the easiest shift would
    leave the averages as samples grow.

    Parameters
    ----------
    records : sequence of Record
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.controls = [record for record in records if record.shift == CONTROL]
        shifted = [record for record in records if record.shift != CONTROL]
        self.sample_sizes = sorted({record.sample_size for record in records})
        self._cells: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in shifted + list(_carried(shifted)):
            self._cells[record.method, record.sample_size].append(record)
        measured = {record.method for record in records}
        self.datasets = list(dict.fromkeys(record.dataset for record in records))
        self.shares = {record.share for record in shifted}
        self.methods = [method for method in METHODS if method in measured]

    def of(self, method: str, sample_size: int) -> list[Record]:
        """The decisions of ``method`` about shifts, with samples of this size."""
        return self._cells[method, sample_size]

    def power(self, method: str, sample_size: int, where: Where = everything) -> Rate:
        """Return how often ``method`` found the shifts ``where`` says."""
        return Rate.of(filter(where, self.of(method, sample_size)))

    def false_alarms(self, method: str, sample_size: int | None = None) -> Rate:
        """Return how often ``method`` found a shift in a control."""
        return Rate.of(
            record
            for record in self.controls
            if record.method == method and sample_size in (None, record.sample_size)
        )


def _carried(records: Sequence[Record]) -> Iterable[Record]:
    """Find what stands in for the sizes that 'only zeros' has too few rows for."""
    sizes: dict[str, set[int]] = defaultdict(set)
    largest: dict[tuple[str, int, float, str], Record] = {}
    for record in records:
        if record.shift != ONLY_ZEROS:
            sizes[record.dataset].add(record.sample_size)
            continue
        where = record.dataset, record.run, record.share, record.method
        if where not in largest or largest[where].sample_size < record.sample_size:
            largest[where] = record
    for record in largest.values():
        for size in sizes[record.dataset]:
            if size > record.sample_size:
                yield msgspec.structs.replace(record, sample_size=size)
