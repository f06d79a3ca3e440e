"""The columns of the events behind an alert: those of the reference next to those of the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Slot
from flink_jobs.core.record_parts import is_gone
from flink_jobs.records.alerts import CategoryShare
from flink_jobs.reports.charts import distributions, shares
from flink_jobs.reports.recorded_events import MOST_ROWS
from flink_jobs.reports.words import share

Floats = NDArray[np.float64]

_PROBABILITIES = ("class_probabilities", "probability", "probabilities")


@dataclass(frozen=True, eq=False)
class Side:
    """The events of one side of a comparison.

    Attributes
    ----------
    x : ndarray of float64, shape (n, n_slots)
        NaN is missing; in the slot of a category the code of a text.
    texts : mapping of int to sequence of str
        For each slot of a category the texts of its codes 0, 1, ... Both sides have dictionaries of
        their own.
    """

    x: Floats
    texts: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)


class Drawn(NamedTuple):
    """A chart of one column, and its numbers as the rows of a table."""

    chart: dict[str, Any]
    rows: list[tuple[str, str, str]]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Both sides of an alert.

    Attributes
    ----------
    slots : tuple of Slot
        What the columns of both matrices stand for.
    reference, window : Side
        One without rows where its events are not at hand.
    """

    slots: tuple[Slot, ...]
    reference: Side
    window: Side

    def __bool__(self) -> bool:
        return bool(len(self.reference) and len(self.window))

    def place(self, column: str) -> int | None:
        """Find the slot of a column by the name that alerts give it; None for another's."""
        names = [slot.name for slot in self.slots]
        return names.index(column) if column in names else None

    def draw(self, column: str) -> Drawn | None:
        """Draw a column: a histogram of a number, bars of a category's shares.

        None where no events are at hand, or where they have no such column.
        """
        place = self.place(column)
        if place is None or not self:
            return None
        if self.slots[place].is_category:
            bars = shares.of(self.categories(place), self.missing(place))
            return Drawn(shares.chart(bars.drawn), shares.table(bars.listed))
        is_probability = self.slots[place].column.kind in _PROBABILITIES
        z_ref, z_test = self.reference.x[:, place], self.window.x[:, place]
        histogram = distributions.histogram(z_ref, z_test, is_probability=is_probability)
        rows = distributions.table(histogram)
        before, now = self.missing(place)
        if before or now:
            rows.append(("missing", share(before), share(now)))
        return Drawn(distributions.chart(histogram, self.slots[place].column.unit), rows)

    def categories(self, place: int) -> list[CategoryShare]:
        """Give the share of events with each text of a slot, those that moved most first.

        A boolean has ``true`` first.
        """
        before, now = (_text_shares(side, place) for side in (self.reference, self.window))
        found = [self._share(text, before[text], now[text]) for text in before | now]
        if self.slots[place].column.type == "boolean":
            return sorted(found, key=lambda each: each.category, reverse=True)
        return sorted(found, key=lambda each: -abs(each.test_share - each.ref_share))

    def _share(self, text: str, ref: float, test: float) -> CategoryShare:
        return CategoryShare(
            category=text,
            ref_share=ref,
            test_share=test,
            is_new=ref == 0.0 and len(self.reference) < MOST_ROWS,
            is_gone=test == 0.0 and is_gone(ref, len(self.window)),
        )

    def missing(self, place: int) -> tuple[float, float]:
        """Give the shares of missing values of a slot, before and now."""
        sides = self.reference, self.window
        before, now = (float(np.isnan(side.x[:, place]).mean()) for side in sides)
        return before, now

    def probabilities(self) -> list[int]:
        """Find the slots of the first column of class probabilities; none without one."""
        columns = [
            slot.column
            for slot in self.slots
            if slot.column.kind == "class_probabilities" and slot.column.size > 1
        ]
        return [place for place, slot in enumerate(self.slots) if slot.column in columns[:1]]


def _text_shares(side: Side, place: int) -> Counter[str]:
    """Share of the events with each text, largest first; 0 for any other."""
    values = side.x[:, place]
    codes = values[np.isfinite(values)].astype(np.intp)
    texts = side.texts.get(place, ())
    counts = np.bincount(codes)
    found: Counter[str] = Counter()
    for code in np.argsort(-counts, kind="stable").tolist():
        if counts[code]:
            # A code without a text is one that the reference's dictionary puts with others.
            text = texts[code] if code < len(texts) else "other values"
            found[text] += counts[code] / len(values)
    return found
