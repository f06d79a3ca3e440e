"""What a configuration costs for each model: state, and time and memory of a test.

All of it follows from the configuration and not from traffic, so that it can be said, and refused,
before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

from detectors import Cost
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.references import (
    FirstTime,
    MovingReference,
    Seasonal,
    Trailing,
    TrainingSet,
    covered_ms,
)
from flink_jobs.config.tables.windows import CountWindow, SessionWindow, TimeWindow, WindowTable
from flink_jobs.config.two_sample_tests import (
    MOST_FITTED,
    cost_of,
    most_reference_events,
    sees_sample,
)
from flink_jobs.config.views import Detector, View, views_of

MOST_TEST_BYTES = 512_000_000
"""Memory of one test. A Python worker of the embedded cluster has room for it."""
MOST_MODEL_BYTES = 512_000_000
"""State of one model, which a checkpoint of a hashmap writes as a whole."""

# Of a row in a sample beside its numbers: time, hash, partition, offset, row, and an identifier of
# 20 characters or so.
_IDENTITY_BYTES = 8 + 8 + 4 + 8 + 4 + 32
_FLOAT_BYTES = 8
# Events of a session or of a whole history, where nothing bounds them: no count goes beyond.
_MANY_EVENTS = 1_000_000_000


@dataclass(frozen=True)
class DetectorCost:
    """What one detector of a view costs.

    Attributes
    ----------
    name : str
    n_slices : int
        Slices that are kept at most.
    slice_bytes : int
        Of one of them at its largest.
    test : Cost
        Of one window.
    """

    name: str
    n_slices: int
    slice_bytes: int
    test: Cost

    @property
    def state_bytes(self) -> int:
        """State of its slices; the open one may lie beside its pieces."""
        return (self.n_slices + 1) * self.slice_bytes


@dataclass(frozen=True)
class ViewCost:
    """What one view of a model costs.

    Attributes
    ----------
    name : str
    reference_bytes : int
        State of the reference: fitted detectors, and cells where it moves.
    collecting_bytes : int
        State while the reference is collected.
    detectors : tuple of DetectorCost
    """

    name: str
    reference_bytes: int
    collecting_bytes: int
    detectors: tuple[DetectorCost, ...]

    @property
    def state_bytes(self) -> int:
        """State of the view at its largest."""
        monitoring = self.reference_bytes + sum(each.state_bytes for each in self.detectors)
        return max(monitoring, self.collecting_bytes)


def costs_of(config: DriftJobConfig) -> tuple[ViewCost, ...]:
    """Compute what each view of a model costs.

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
    (25, True)
    """
    return tuple(_view_cost(config, view) for view in views_of(config))


def check_costs(config: DriftJobConfig) -> Iterator[Problem]:
    """Refuse what would exhaust a worker's memory."""
    total = 0
    for view in costs_of(config):
        total += view.state_bytes
        for each in view.detectors:
            if each.test.test_bytes > MOST_TEST_BYTES:
                wrong = (
                    f"a test of the detector {each.name!r} of the view {view.name!r} takes "
                    f"{each.test.test_bytes / 1e6:,.0f} MB of memory"
                )
                allowed = f"{MOST_TEST_BYTES / 1e6:,.0f} MB: a smaller sample, or a test on counts"
                yield Problem("sample.size", wrong, allowed)
    if total > MOST_MODEL_BYTES:
        wrong = f"the state of a model takes up to {total / 1e6:,.0f} MB"
        allowed = (
            f"{MOST_MODEL_BYTES / 1e6:,.0f} MB: fewer or longer slides, a smaller sample.size, "
            "a smaller reference, or n_cells in the tests"
        )
        yield Problem("window", wrong, allowed)


def n_cells_kept(config: DriftJobConfig, view: View) -> int:
    """Count the cells of a reference that moves which are kept at most, the open one included."""
    reference = view.reference
    assert isinstance(reference, MovingReference)  # noqa: S101 - others have no cells
    cell_ms = reference.slot_ms if isinstance(reference, Seasonal) else reference.step_ms
    # A window that is still open needs the reference of its start, which lies before its oldest
    # slice by one window more.
    longest_ms = max(_longest_ms(each.window) for each in view.detectors)
    return covered_ms(reference) // cell_ms + 2 + -(-2 * longest_ms // cell_ms)


def _view_cost(config: DriftJobConfig, view: View) -> ViewCost:
    row_bytes = _FLOAT_BYTES * len(view.slots) + _IDENTITY_BYTES
    tests = {each.test: _cost(config, view, each) for each in view.detectors}
    fitted = sum(cost.reference_bytes for cost in tests.values())
    # The rows by which alerts say what moved.
    fitted += _FLOAT_BYTES * len(view.slots) * 1_000
    summaries = sum(cost.summary_bytes for cost in tests.values())
    reference, collecting = view.reference, 0
    match reference:
        case Trailing() | Seasonal():
            is_seasonal = isinstance(reference, Seasonal)
            kept = reference.max_events_per_slot if is_seasonal else reference.max_events_per_step  # type: ignore[union-attr]
            fitted += n_cells_kept(config, view) * (kept * row_bytes + summaries)
        case TrainingSet():
            fitted = 0
        case FirstTime():
            collecting = 2 * reference.max_events * row_bytes
        case _:
            collecting = most_reference_events(view) * row_bytes
    return ViewCost(
        view.name,
        fitted,
        collecting,
        tuple(_detector_cost(config, view, each, tests[each.test], row_bytes)
              for each in view.detectors),
    )  # fmt: skip


def _cost(config: DriftJobConfig, view: View, detector: Detector) -> Cost:
    n_ref = min(most_reference_events(view), MOST_FITTED)
    n_test = _most_events(detector.window)
    if sees_sample(view, detector.test):
        n_ref, n_test = min(n_ref, config.sample.size), min(n_test, config.sample.size)
    return cost_of(view, detector.test, n_ref, n_test)


def _detector_cost(
    config: DriftJobConfig, view: View, detector: Detector, cost: Cost, row_bytes: int
) -> DetectorCost:
    window = detector.window
    n_slices, most_events = _slices(window, config.panes.width_ms)
    n_slices += config.kafka.control_topic is not None
    rows = min(config.sample.size, most_events)
    return DetectorCost(detector.name, n_slices, rows * row_bytes + cost.summary_bytes, cost)


def _slices(window: WindowTable, width_ms: int) -> tuple[int, int]:
    """The slices that are kept at most, the open one included, and the most events of one."""
    match window:
        case CountWindow(size=size, slide=slide):
            step = gcd(size, slide)
            return size // step + 1, step
        case TimeWindow(size_ms=size_ms, slide_ms=slide_ms):
            step_ms = width_ms if window.max_events else gcd(size_ms, slide_ms)
            return size_ms // step_ms + 1, _MANY_EVENTS
        case SessionWindow(max_size_ms=max_size_ms, gap_ms=gap_ms):
            n_panes = (max_size_ms + gap_ms) // width_ms + 1
            return n_panes if window.max_events else 2, _MANY_EVENTS


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
