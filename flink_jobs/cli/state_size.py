"""How much state a configuration takes for each model."""

from __future__ import annotations

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.references import FirstTime, MovingReference, Seasonal, TrainingSet
from flink_jobs.config.tables.windows import CountWindow, SessionWindow, TimeWindow, WindowTable
from flink_jobs.config.two_sample_tests import n_dimensions
from flink_jobs.config.views import detectors_of, n_columns_read, views_of

_FLOAT_BYTES = 8
# Of a row on the JVM's heap, apart from its payload.
_ROW_BYTES = 200


def state_text(config: DriftJobConfig, n_ref: int) -> str:
    """What the numbers of a model take; the events' identifiers come on top, compressed."""
    return f"per model {_reference_text(config, n_ref)}, {_windows_text(config)}"


def open_panes(config: DriftJobConfig) -> int:
    """Count the panes of a model that are open at the same time within the allowed drift.

    The pane that the slowest partition is in, those by which another may be ahead of it, and those
    of events that come before, or ahead of the clock. Of a backlog, events that are read while
    Flink stops a partition come on top.
    """
    limits = config.input
    ahead_ms = limits.max_out_of_orderness_ms + limits.max_future_ms
    return 2 + limits.max_partition_drift_panes + -(-ahead_ms // config.panes.width_ms)


def open_panes_text(config: DriftJobConfig) -> str:
    """Say how many raw events wait at most for their panes to close."""
    n_panes, n_raw = open_panes(config), config.panes.max_raw_events
    largest = config.input.max_payload_bytes
    most = _bytes(n_panes * n_raw * (largest + _ROW_BYTES))
    return (
        f"up to {n_panes} of a model, each with up to {n_raw:,} raw events and {_ROW_BYTES} B more "
        f"than its payload for each: {most} if all are of {largest:,} B; of a backlog also what is "
        "read in 0.1 s"
    )


def history_cells(config: DriftJobConfig) -> int:
    """How many pieces of a moving reference are kept at most, the one being filled included."""
    reference = config.reference
    assert isinstance(reference, MovingReference)  # noqa: S101 - others have no history
    if isinstance(reference, Seasonal):
        cell_ms, reach_ms = reference.slot_ms, reference.n_periods * reference.period_ms
    else:
        cell_ms, reach_ms = reference.step_ms, reference.size_ms + reference.gap_ms
    # A window that is still open needs the reference of its start. Its panes and its size count
    # both, since the panes kept may reach one window further back than the window itself.
    longest_ms = max(_longest_ms(each.window) for each in detectors_of(config))
    return reach_ms // cell_ms + 2 + -(-2 * longest_ms // cell_ms)


def _reference_text(config: DriftJobConfig, n_ref: int) -> str:
    reference, n_columns = config.reference, n_columns_read(config)
    if isinstance(reference, MovingReference):
        n_cells = history_cells(config)
        most = (
            reference.max_events_per_slot
            if isinstance(reference, Seasonal)
            else reference.max_events_per_step
        )
        total = _bytes(_FLOAT_BYTES * n_columns * most * n_cells)
        # Count windows of a model that sends little reach back as far as they like.
        has_counts = any(isinstance(each.window, CountWindow) for each in detectors_of(config))
        limit = "about" if has_counts else "up to"
        return f"{limit} {total} of reference ({n_cells:,} cells x {most:,} x {n_columns} x 8 B)"
    if isinstance(reference, TrainingSet):
        return "no reference (all share one)"
    n_kept = reference.max_events if isinstance(reference, FirstTime) else n_ref
    text = f"{_bytes(_FLOAT_BYTES * n_dimensions(views_of(config)[0]) * n_kept)} of reference"
    # While it is collected the events are raw, and a sample is taken of twice as many.
    n_raw = 2 * n_kept if isinstance(reference, FirstTime) else n_kept
    raw, kept = n_columns * n_raw, n_dimensions(views_of(config)[0]) * n_kept
    if raw > kept:
        text += f" ({_bytes(_FLOAT_BYTES * raw)} while it is collected)"
    return text


def _windows_text(config: DriftJobConfig) -> str:
    is_raw = isinstance(config.reference, MovingReference)
    n_kept = n_columns_read(config) if is_raw else n_dimensions(views_of(config)[0])
    event_bytes = _FLOAT_BYTES * n_kept
    windows = [each.window for each in detectors_of(config)]
    keeps_last = config.kafka.control_topic is not None
    counts = [_kept_events(w, keeps_last) for w in windows if isinstance(w, CountWindow)]
    text = f"{event_bytes} B for each event of a window"
    if len(counts) == len(windows):
        return f"{text}, {_bytes(event_bytes * max(counts))}"
    # A count window must see every event, so none is left out of a pane.
    per_pane = config.panes.max_raw_events if counts else config.panes.max_events
    n_panes = max(_kept_ms(w, keeps_last) for w in windows) // config.panes.width_ms
    return f"{text}, {_bytes(event_bytes * per_pane * n_panes)} at most"


def _kept_events(window: CountWindow, keeps_last: bool) -> int:
    """``keeps_last``: a command may make the last closed window the reference."""
    return window.size + window.slide * keeps_last


def _kept_ms(window: WindowTable, keeps_last: bool) -> int:
    extra_ms = window.slide_ms if isinstance(window, TimeWindow) else _longest_ms(window)
    return _longest_ms(window) + extra_ms * keeps_last


def _longest_ms(window: WindowTable) -> int:
    match window:
        case TimeWindow(size_ms=size_ms):
            return size_ms
        case SessionWindow(max_size_ms=max_size_ms):
            return max_size_ms
        case _:
            return 0


def _bytes(n: int) -> str:
    if n < 10_000:
        return f"{n} B"
    return f"{n / 1_000:,.0f} kB" if n < 10_000_000 else f"{n / 1_000_000:,.0f} MB"
