"""Sizes of the parts of one view of a model, at most, however much the model sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from detectors import Cost, Needs, StreamCost, needs_preparation
from detectors.column_shifts import MOST_ROWS
from flink_jobs.config.digests import trained_key
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.sequential_detectors import make_sequential
from flink_jobs.config.tables.base import Table
from flink_jobs.config.tables.detectors import (
    KSConfig,
    MixedConfig,
    PCAConfig,
    SparseRandomProjectionConfig,
    TestConfig,
    kind_and_parameters,
)
from flink_jobs.config.tables.references import (
    MovingReference,
    Seasonal,
    TrainingSet,
    covered_ms,
)
from flink_jobs.config.tables.windows import CountWindow, SessionWindow, TimeWindow, WindowTable
from flink_jobs.config.two_sample_tests import (
    MOST_FITTED,
    cost_of,
    make_test,
    most_reference_events,
    n_dimensions,
    sees_sample,
)
from flink_jobs.config.views import Detector, Sequential, View

# Of a row in a sample without its numbers: time, hash, partition, offset, row, and an identifier as
# long as a UUID, with the two bytes before it.
_IDENTITY_BYTES = 8 + 8 + 4 + 8 + 4 + 38
_FLOAT_BYTES = 8
# The text of a category that no other row has, of 20 characters or so.
_TEXT_BYTES = 24
# Categories of a column that the reference's dictionary holds at most, with their shares.
_MOST_TEXTS, _SHARE_BYTES = 2_000, 24
# Columns that preparation makes of one of categories at most; a number has one, and another one
# for where it is missing. What it keeps of each: centre, scale and bounds.
_MOST_INDICATORS, _PREPARED_BYTES = 17, 48
# What the status holds of a slice, and of a detector and its incidents.
_SLICE_BYTES, _STATUS_BYTES = 96, 4_000
# While samples are joined each lies in memory as bytes, as rows and joined: 2.1 to 2.9 times its
# size (3 to 200 columns).
_BYTES_IN_MEMORY = 3
# Events of a session or of a whole history, where nothing bounds them: no count goes beyond.
_MANY_EVENTS = 1_000_000_000


@dataclass(frozen=True)
class DetectorCost:
    """The cost of one detector of a view.

    Attributes
    ----------
    name : str
    n_slices : int
        Slices that are kept at most, the open one included.
    slice_bytes : int
        Of one of them at its largest.
    n_open : int
        How often the open one is kept at most: whole, and in the pieces of the panes since.
    test_bytes : int
        Peak memory of one test, the samples of its window and of a moving reference included.
    test_us : float
        Order of magnitude of its time.
    """

    name: str
    n_slices: int
    slice_bytes: int
    n_open: int
    test_bytes: int
    test_us: float

    @property
    def state_bytes(self) -> int:
        """State of its slices."""
        return (self.n_slices - 1 + self.n_open) * self.slice_bytes + _STATUS_BYTES


@dataclass(frozen=True)
class SequentialCost:
    """The cost of one sequential detector of a view.

    Attributes
    ----------
    name : str
    memory_bytes : int
        What is written with every pane; it does not grow.
    update_us, event_us : float
        Orders of magnitude of the time that a pane takes, and of what each of its events adds.
    """

    name: str
    memory_bytes: int
    update_us: float
    event_us: float

    @property
    def state_bytes(self) -> int:
        """State of its memory and its incidents."""
        return self.memory_bytes + _STATUS_BYTES


@dataclass(frozen=True)
class CellsCost:
    """The cost of the cells of a reference that moves.

    Attributes
    ----------
    n_cells : int
        Steps or slots that are kept at most, the open one included.
    cell_bytes : int
        Of one of them at its largest.
    counts_bytes : int
        Of that, counts of Kolmogorov-Smirnov tests: ``n_cells`` in such a test bounds them.
    """

    n_cells: int
    cell_bytes: int
    counts_bytes: int

    @property
    def state_bytes(self) -> int:
        """State of all; the open one may lie next to its pieces."""
        return (self.n_cells + 1) * self.cell_bytes


class Sizes:
    """Sizes of the parts of one view."""

    def __init__(self, config: DriftJobConfig, view: View, n_training: Mapping[str, int]) -> None:
        self._config = config
        self._view = view
        reference = view.reference
        self._n_ref = most_reference_events(view)
        if isinstance(reference, TrainingSet):
            self._n_ref = n_training.get(trained_key(view), self._n_ref)
        elif isinstance(reference, MovingReference):
            self._n_ref = MOST_FITTED
        n_texts = sum(slot.column.type == "category" for slot in view.slots)
        self._n_texts = n_texts
        n_texts += sum(column.type == "category" for column in view.carried)
        self._sample_size = config.sample.size
        # Everything that a pane's events bring along, also where it is not read.
        self._value_bytes = _FLOAT_BYTES * len(view.row_places) + _TEXT_BYTES * n_texts
        self.row_bytes = self._value_bytes + _IDENTITY_BYTES
        self._costs = {each.test: self._cost(each) for each in view.detectors}

    @property
    def fitted_bytes(self) -> int:
        """The detectors, the dictionary of categories, and rows by which alerts say what moved."""
        return (
            sum(
                cost.reference_bytes + self._reducer_bytes(test)
                for test, cost in self._costs.items()
            )
            + sum(
                self._stream_cost(each).reference_bytes + self._reducer_bytes(each.table)
                for each in self._view.sequential
            )
            + _MOST_TEXTS * (_TEXT_BYTES + _SHARE_BYTES) * self._n_texts
            + self._value_bytes * min(self._n_ref, MOST_ROWS)
            + _STATUS_BYTES
        )

    @property
    def cells(self) -> CellsCost | None:
        """The cells of a reference that moves."""
        reference = self._view.reference
        if not isinstance(reference, MovingReference):
            return None
        if isinstance(reference, Seasonal):
            cell_ms, kept = reference.slot_ms, reference.max_events_per_slot
        else:
            cell_ms, kept = reference.step_ms, reference.max_events_per_step
        n_events = self._events_within(cell_ms)
        counts = {test: self._summary_bytes(test, n_events) for test in self._costs}
        return CellsCost(
            n_cells_kept(self._config, self._view),
            kept * self.row_bytes + sum(counts.values()) + _SLICE_BYTES,
            sum(each for test, each in counts.items() if isinstance(test, KSConfig | MixedConfig)),
        )

    def of_detector(self, detector: Detector) -> DetectorCost:
        """One detector."""
        cost, window = self._costs[detector.test], detector.window
        remembers = self._config.kafka.control_topic is not None
        n_slices, n_open = _slices(window, self._config.panes.width_ms, remembers=remembers)
        n_events = self._slice_events(window)
        sample = min(self._sample_size, n_events) * self.row_bytes
        slice_bytes = sample + self._summary_bytes(detector.test, n_events) + _SLICE_BYTES
        read = n_slices * sample
        if isinstance(self._view.reference, MovingReference):
            assert self.cells is not None  # noqa: S101 - what moves has them
            read += self.cells.state_bytes
        test_bytes = cost.test_bytes + _BYTES_IN_MEMORY * read
        return DetectorCost(detector.name, n_slices, slice_bytes, n_open, test_bytes, cost.test_us)

    def of_sequential(self, detector: Sequential) -> SequentialCost:
        """One sequential detector."""
        cost = self._stream_cost(detector)
        return SequentialCost(detector.name, cost.memory_bytes, cost.update_us, cost.row_us)

    def _stream_cost(self, detector: Sequential) -> StreamCost:
        made = make_sequential(detector.table, self._view)
        return made.cost(self._n_ref, self._width(detector.table))

    def _cost(self, detector: Detector) -> Cost:
        n_ref, n_test = self._n_ref, _most_events(detector.window)
        if sees_sample(self._view, detector.test):
            n_ref, n_test = min(n_ref, self._sample_size), min(n_test, self._sample_size)
        return cost_of(self._view, detector.test, n_ref, n_test, self._width(detector.test))

    def _width(self, test: Table) -> int:
        """The numbers of each event that a test sees, at most."""
        width = n_dimensions(self._view, test)
        is_reduced = isinstance(self._view.reducer, PCAConfig | SparseRandomProjectionConfig)
        return width if is_reduced or not self._is_prepared(test) else self._prepared_width

    @property
    def _prepared_width(self) -> int:
        n_categories = len(self._view.categorical)
        n_numbers = len(self._view.slots) - n_categories
        return 2 * n_numbers + _MOST_INDICATORS * n_categories + 1

    def _is_prepared(self, test: Table) -> bool:
        return needs_preparation(
            kind_and_parameters(self._view.reducer)[0], kind_and_parameters(test)[0]
        )

    def _reducer_bytes(self, test: Table) -> int:
        """Size of what a reducer learned, with the preparation in front of it."""
        n_inputs = self._prepared_width if self._is_prepared(test) else len(self._view.slots)
        n_components = 0
        if isinstance(self._view.reducer, PCAConfig | SparseRandomProjectionConfig):
            n_components = min(n_inputs, n_dimensions(self._view, test))
        return n_inputs * (_FLOAT_BYTES * n_components + _PREPARED_BYTES)

    def _summary_bytes(self, test: TestConfig, n_events: int) -> int:
        """Size for a number of events: counts are stored as narrow as they are."""
        most = self._costs[test].summary_bytes
        if make_test(test, self._view).needs is not Needs.COUNTS:
            return most
        n_cells = most // _FLOAT_BYTES
        # Few values are stored as the cells that they lie in.
        sparse = n_events * self._width(test) * _bytes_of(n_cells)
        return sparse if sparse < n_cells else n_cells * _bytes_of(n_events)

    def _slice_events(self, window: WindowTable) -> int:
        """The most events of one slice."""
        width_ms = self._config.panes.width_ms
        match window:
            case CountWindow(size=size, slide=slide):
                return gcd(size, slide)
            case _ if window.max_events:
                return self._events_within(width_ms)
            case TimeWindow(size_ms=size_ms, slide_ms=slide_ms):
                return self._events_within(gcd(size_ms, slide_ms))
            case SessionWindow(max_size_ms=max_size_ms):
                return self._events_within(max_size_ms)

    def _events_within(self, duration_ms: int) -> int:
        panes = self._config.panes
        return panes.max_raw_events * max(1, duration_ms // panes.width_ms)


def n_cells_kept(config: DriftJobConfig, view: View) -> int:
    """Count the cells of a reference that moves which are kept at most, the open one included."""
    reference = view.reference
    assert isinstance(reference, MovingReference)  # noqa: S101 - others have no cells
    cell_ms = reference.slot_ms if isinstance(reference, Seasonal) else reference.step_ms
    # A window that is still open needs the reference of its start, which lies before its oldest
    # slice by one window more.
    longest_ms = max(_longest_ms(each.window) for each in view.detectors)
    return covered_ms(reference) // cell_ms + 2 + -(-2 * longest_ms // cell_ms)


def _bytes_of(n: int) -> int:
    """The bytes of the narrowest unsigned integer that holds ``n``."""
    return next((n_bytes for n_bytes in (1, 2, 4) if n < 256**n_bytes), 8)


def _slices(window: WindowTable, width_ms: int, *, remembers: bool) -> tuple[int, int]:
    """The slices that are kept at most, and how often the open one is.

    A slice that consists of several panes lies in the state as a base and the pieces that came
    since. Where commands may name the last window, it stays until the next one closes.
    """
    match window:
        case CountWindow(size=size, slide=slide):
            step = gcd(size, slide)
            return size // step + remembers * (slide // step), 2
        case TimeWindow(size_ms=size_ms, slide_ms=slide_ms):
            step_ms = width_ms if window.max_events else gcd(size_ms, slide_ms)
            n_slices = size_ms // step_ms + remembers * (slide_ms // step_ms)
            return n_slices, 1 if step_ms == width_ms else 2
        case SessionWindow(max_size_ms=max_size_ms):
            n_slices = max_size_ms // width_ms if window.max_events else 1
            return n_slices * (1 + remembers), 1 if window.max_events else 2


def _most_events(window: WindowTable) -> int:
    if isinstance(window, CountWindow):
        return window.size
    return window.max_events or _MANY_EVENTS


def _longest_ms(window: WindowTable) -> int:
    match window:
        case TimeWindow(size_ms=size_ms):
            return size_ms
        case SessionWindow(max_size_ms=max_size_ms):
            return max_size_ms
        case _:
            return 0
