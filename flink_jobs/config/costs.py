"""The cost of a configuration for each model: state, and time and memory of a test.

All of it follows from the configuration and not from traffic, so that it can be said, and refused,
before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flink_jobs.config.column_checks import own_key
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.sizes import CellsCost, DetectorCost, SequentialCost, Sizes
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.references import FirstEvents, FirstTime, TrainingSet
from flink_jobs.config.views import (
    View,
    more_detectors_key,
    view_tables,
    views_of,
    windowed_places,
)

MOST_TEST_BYTES = 512_000_000
"""Memory of one test. Of a TaskManager of the embedded cluster, which has 2,600 MB, Flink leaves
833 MB to Python workers, of which one tests at a time in each slot."""
MOST_MODEL_BYTES = 256_000_000
"""State of one model. The embedded cluster keeps that of all models on a heap with 787 MB."""


@dataclass(frozen=True)
class ViewCost:
    """The cost of one view of a model.

    Attributes
    ----------
    name : str
    reference_bytes : int
        State of the fitted detectors; 0 for a training set, which all models share.
    collecting_bytes : int
        State while the reference is collected; 0 where it needs no more than afterwards.
    cells : CellsCost or None
        None for a reference that does not move.
    detectors : tuple of DetectorCost
    sequential : tuple of SequentialCost
    """

    name: str
    reference_bytes: int
    collecting_bytes: int
    cells: CellsCost | None
    detectors: tuple[DetectorCost, ...]
    sequential: tuple[SequentialCost, ...] = ()

    @property
    def state_bytes(self) -> int:
        """State of the view at its largest."""
        monitoring = self.reference_bytes + sum(each.state_bytes for each in self.detectors)
        monitoring += sum(each.state_bytes for each in self.sequential)
        return max(
            monitoring + (self.cells.state_bytes if self.cells else 0), self.collecting_bytes
        )


def costs_of(
    config: DriftJobConfig, n_training: Mapping[str, int] | None = None
) -> tuple[ViewCost, ...]:
    """Compute what each view of a model costs.

    Identifiers of 36 characters, texts of categories of 20 and dense counts are assumed: what a
    model takes is rarely more and often less.

    Parameters
    ----------
    config : DriftJobConfig
    n_training : mapping of str to int, optional
        Events of training sets by :func:`~flink_jobs.config.digests.trained_key`; 10,000 where
        they have not been read.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {n_features = 10}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 86_400_000, slide_ms = 3_600_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> (view,) = costs_of(config)
    >>> view.detectors[0].n_slices, view.state_bytes < 8_000_000
    (24, True)
    """
    known = n_training or {}
    return tuple(_view_cost(config, view, known) for view in views_of(config))


def check_costs(
    config: DriftJobConfig, n_training: Mapping[str, int] | None = None
) -> Iterator[Problem]:
    """Refuse what would exhaust a worker's memory."""
    costs = costs_of(config, n_training)
    total = sum(view.state_bytes for view in costs)
    if total > MOST_MODEL_BYTES:
        place = max(range(len(costs)), key=lambda n: costs[n].state_bytes)
        yield _too_much_state(config, place, costs[place], total)
        return
    for place, view in enumerate(costs):
        for detector_place, each in enumerate(view.detectors):
            if each.test_bytes > MOST_TEST_BYTES:
                yield Problem(
                    _key(config, place, detector_place, "test"),
                    f"a test of the detector {each.name!r} takes up to "
                    f"{each.test_bytes / 1e6:,.0f} MB of memory",
                    f"{MOST_TEST_BYTES / 1e6:,.0f} MB: a smaller sample.size, fewer "
                    "n_permutations, fewer slices or pieces of history, or a test on counts or "
                    "sums, such as ks or mmd_features",
                )


def _too_much_state(config: DriftJobConfig, place: int, view: ViewCost, total: int) -> Problem:
    """Name the table that takes most of the state, and what makes it smaller."""
    owners = {
        _key(config, place, n, "window"): each.state_bytes for n, each in enumerate(view.detectors)
    }
    key = own_key(config, place, "reference")
    owners[key] = max(
        view.reference_bytes + (view.cells.state_bytes if view.cells else 0), view.collecting_bytes
    )
    largest = max(owners, key=owners.__getitem__)
    ways = "fewer events in the reference"
    if view.cells:
        ways = "fewer or longer pieces of history, fewer events of each"
    elif largest != key:
        ways = "fewer or longer slides, a smaller sample.size"
    return Problem(
        largest,
        f"the state of a model takes up to {total / 1e6:,.0f} MB, "
        f"of which {owners[largest] / 1e6:,.0f} MB come of this",
        f"{MOST_MODEL_BYTES / 1e6:,.0f} MB: {ways}, or a smaller n_cells, in a test of kind "
        "ks or mixed or in a sequential detector, or a smaller max_rows in one",
    )


def _key(config: DriftJobConfig, place: int, detector_place: int, name: str) -> str:
    """Return the key of a table of a detector."""
    if not detector_place:
        return own_key(config, place, name)
    number = windowed_places(view_tables(config)[place])[detector_place - 1]
    return f"{more_detectors_key(config, place)}[{number}].{name}"


def _view_cost(config: DriftJobConfig, view: View, n_training: Mapping[str, int]) -> ViewCost:
    size = Sizes(config, view, n_training)
    reference, collecting = view.reference, 0
    match reference:
        case FirstEvents(n_events=n_events):
            collecting = n_events * size.row_bytes
        case FirstTime(max_events=max_events):
            # A sample is taken when there are twice as many.
            collecting = 2 * max_events * size.row_bytes
    return ViewCost(
        view.name,
        0 if isinstance(reference, TrainingSet) else size.fitted_bytes,
        collecting,
        size.cells,
        tuple(map(size.of_detector, view.detectors)),
        tuple(map(size.of_sequential, view.sequential)),
    )
