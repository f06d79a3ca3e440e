"""Pictures of the events behind an alert, as the monitor kept them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from flink_jobs.records.evidence import Evidence, EvidenceColumn
from flink_jobs.reports.charts import distributions
from flink_jobs.reports.words import share

Floats = NDArray[np.float64]

_PROBABILITIES = ("class_probabilities", "probability", "probabilities")


class Drawn(NamedTuple):
    """A chart of one column, and its numbers as the rows of a table."""

    chart: Figure
    rows: list[tuple[str, str, str]]


class Both(NamedTuple):
    """Some columns on both sides, each of shape (n_events, n_columns).

    The window is without the exemplars that were not drawn by chance.
    """

    reference: Floats
    window: Floats


class Shown:
    """Evidence as a page or a notebook shows it.

    Parameters
    ----------
    evidence : Evidence
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def histogram(self, column: str) -> Drawn | None:
        """Draw a column of numbers; None where there is none of this name, or no event."""
        found = self._chosen(lambda each: each.name == column and each.type == "number")
        both = self._both(found)
        if not found or not len(both.reference) or not len(both.window):
            return None
        is_probability = found[0].kind in _PROBABILITIES
        histogram = distributions.histogram(
            both.reference[:, 0], both.window[:, 0], is_probability=is_probability
        )
        rows = distributions.table(histogram)
        before, now = (float(np.isnan(side).mean()) for side in both)
        if before or now:
            rows.append(("missing", share(before), share(now)))
        return Drawn(distributions.chart(histogram, found[0].unit), rows)

    def probabilities(self) -> tuple[Both, tuple[str, ...]] | None:
        """Return the first column of class probabilities with the names of its classes, if any."""
        of_classes = self._chosen(lambda each: each.kind == "class_probabilities")
        found = [each for each in of_classes if each.of == of_classes[0].of]
        if len(found) < 2:
            return None
        names = tuple(each.name for each in found)
        are_named = names != tuple(f"{found[0].of}[{place}]" for place in range(len(found)))
        return self._both(found), names if are_named else ()

    def images(self, n_pixels: int) -> Both | None:
        """Return the features, where they are as many numbers as an image has."""
        found = self._features()
        return self._both(found) if len(found) == n_pixels else None

    def image_of(self, event_id: str) -> Floats | None:
        """Return the features of an event of the window; None where it is not at hand."""
        event_ids = self._evidence.event_ids
        if event_id not in event_ids:
            return None
        place = event_ids.index(event_id)
        return np.array([values_of(each.window)[place] for each in self._features()])

    def pixel(self, column: str) -> int | None:
        """Return the place of a column among the features."""
        names = [each.name for each in self._features()]
        return names.index(column) if column in names else None

    def _features(self) -> list[EvidenceColumn]:
        return self._chosen(lambda each: each.kind is None and each.type == "number")

    def _chosen(self, is_chosen: Callable[[EvidenceColumn], bool]) -> list[EvidenceColumn]:
        return [each for each in self._evidence.columns if is_chosen(each)]

    def _both(self, columns: list[EvidenceColumn]) -> Both:
        n = len(self._evidence.event_ids) - self._evidence.n_exemplars
        before = [values_of(each.reference) for each in columns]
        now = [values_of(each.window)[:n] for each in columns]
        return Both(
            *(np.column_stack(each) if each else np.empty((0, 0)) for each in (before, now))
        )


def values_of(data: bytes) -> Floats:
    """Read the values of one side of a column of evidence.

    Examples
    --------
    >>> values_of(np.array([0.5, np.nan]).tobytes())
    array([0.5, nan])
    """
    return np.frombuffer(data, dtype="<f8")
