"""Two-sample tests of views from their tables, and what they are asked before anything runs."""

from __future__ import annotations

from detectors import Cost, Needs, TwoSampleTest, needs_preparation, two_sample_test_of_kind
from flink_jobs.config.tables.base import Table
from flink_jobs.config.tables.detectors import (
    HardPredictionsConfig,
    OnnxHardPredictionsConfig,
    OwnModelConfig,
    PCAConfig,
    SparseRandomProjectionConfig,
    TestConfig,
    kind_and_parameters,
)
from flink_jobs.config.tables.references import (
    FirstEvents,
    FirstTime,
    MovingReference,
    TrainingSet,
)
from flink_jobs.config.tables.windows import CountWindow, TimeWindow
from flink_jobs.config.views import Detector, View

MANY_EVENTS = 10_000
"""Events where nothing bounds them: no test is limited by this many."""
MOVING_CELLS = 1_000
"""Edges of a KS test between a window and a reference that moves, where the table names no number:
both sides are counted in the same cells, and D is off by at most a cell's share, 0.1 %."""
MOST_FITTED = 10_000
"""Detectors of a reference that moves are fitted to at most this many of its events."""


def make_test(table: TestConfig, view: View) -> TwoSampleTest:
    """Make the two-sample test of a table for the columns of a view, not fitted."""
    kind, parameters = kind_and_parameters(table)
    if "categorical_columns" in parameters:
        places = {*parameters["categorical_columns"], *view.categorical}
        parameters["categorical_columns"] = sorted(places)
    if parameters.get("n_cells", 0) is None and isinstance(view.reference, MovingReference):
        parameters["n_cells"] = MOVING_CELLS
    return two_sample_test_of_kind(kind)(**parameters)


def lowest_p_value(view: View, test: TestConfig, n_ref: int, n_test: int) -> float:
    """Ask a test for its lowest p-value at these numbers of events.

    Where a share of variance decides how many dimensions there are, there may be a single one.
    """
    reducer = view.reducer
    is_share = isinstance(reducer, PCAConfig) and isinstance(reducer.n_components, float)
    n = 1 if is_share else n_dimensions(view, test)
    return make_test(test, view).lowest_p_value(n_ref, n_test, n)


def cost_of(view: View, test: TestConfig, n_ref: int, n_test: int, n: int) -> Cost:
    """Ask a test what it costs at these numbers of events of ``n`` numbers each."""
    return make_test(test, view).cost(n_ref, n_test, n)


def sees_sample(view: View, test: TestConfig) -> bool:
    """Tell whether a test sees a sample of events rather than all of them."""
    return make_test(test, view).needs is Needs.ROWS


def fewest_events(detector: Detector) -> int:
    """Give the number of events of the smallest window that is tested."""
    window = detector.window
    return window.size if isinstance(window, CountWindow) else window.min_events


def usual_events(detector: Detector, n_ref: int, span_ms: int | None) -> int:
    """Give the number of events of a window where as many come as in the reference.

    Parameters
    ----------
    detector : Detector
    n_ref : int
        Events of the reference.
    span_ms : int or None
        The event time in which they came; None where that is not known, and windows are taken for
        the smallest.
    """
    window, fewest = detector.window, fewest_events(detector)
    if not span_ms or not isinstance(window, TimeWindow):
        return fewest
    usual = round(n_ref * window.size_ms / span_ms)
    return max(fewest, min(usual, window.max_events or usual))


def most_events(detector: Detector) -> int:
    """Give the number of events of the largest window; ``MANY_EVENTS`` where nothing bounds it."""
    window = detector.window
    return window.size if isinstance(window, CountWindow) else window.max_events or MANY_EVENTS


def most_tested(view: View, detector: Detector, sample_size: int) -> int:
    """Give the number of events of the largest window that the test of a detector sees."""
    most = most_events(detector)
    return min(most, sample_size) if sees_sample(view, detector.test) else most


def most_reference_events(view: View) -> int:
    """Give the number of events of the largest reference; ``MANY_EVENTS`` for a training set."""
    match view.reference:
        case FirstEvents(n_events=n_events):
            return n_events
        case FirstTime(max_events=max_events):
            return max_events
        case _:
            return MANY_EVENTS


def fewest_reference_events(view: View) -> int:
    """Give the number of events of the smallest reference; ``MANY_EVENTS`` for a training set."""
    match view.reference:
        case FirstEvents(n_events=n_events):
            return n_events
        case TrainingSet():
            return MANY_EVENTS
        case _:
            return view.reference.min_events


def n_dimensions(view: View, test: Table) -> int:
    """Count the numbers of each reduced event; a limit where the share of variance decides.

    Prepared columns have one dimension more for what the reference never held, and in the place of
    a category its indicators, of which this counts one.
    """
    match view.reducer:
        case PCAConfig(n_components=int(n_components)):
            n = n_components
        case SparseRandomProjectionConfig(n_components=n_components):
            n = n_components
        case HardPredictionsConfig() | OnnxHardPredictionsConfig():
            return 1
        case OwnModelConfig(size=size):
            return size
        case _:
            n = len(view.slots)
    reducer_kind, _ = kind_and_parameters(view.reducer)
    test_kind, _ = kind_and_parameters(test)
    return n + needs_preparation(reducer_kind, test_kind)
