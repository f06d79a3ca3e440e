"""How much state and work a configuration takes, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flink_jobs.config.costs import ViewCost, costs_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.sizes import DetectorCost
from flink_jobs.records.alerts import MAIN_VIEW

# Of a row on the JVM's heap, apart from its payload.
_USUAL_BYTES = 1_000
_ROW_BYTES = 200
# From here on what makes a state smaller is named.
_A_LOT_BYTES = 10_000_000


def state_text(config: DriftJobConfig, n_training: Mapping[str, int]) -> str:
    """Say what a model takes at most, however much it sends."""
    total = sum(view.state_bytes for view in costs_of(config, n_training))
    return f"up to {_bytes(total)} for each model, however much it sends"


def part_texts(config: DriftJobConfig, n_training: Mapping[str, int]) -> Iterator[str]:
    """Say what the reference of each view takes, and what each detector does."""
    for view in costs_of(config, n_training):
        prefix = "" if view.name == MAIN_VIEW else f"{view.name} / "
        yield f"{prefix}reference: {_reference_text(view)}"
        for each in view.detectors:
            yield f"{prefix}{each.name}: {_detector_text(each)}"
        for own in view.sequential:
            memory, update = _bytes(own.memory_bytes), _time(own.update_us)
            yield (
                f"{prefix}{own.name}: a memory of {memory}; a pane takes about {update}, and "
                f"{_time(own.event_us)} for each of its events"
            )


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

    def all_of(size: int) -> str:
        return f"{_bytes(n_panes * n_raw * (size + _ROW_BYTES))} if all are of {size:,} B"

    # The bound alone frightens: hardly anybody's events are as large as the largest one may be.
    usual = f"{all_of(_USUAL_BYTES)}, " if largest > _USUAL_BYTES else ""
    return (
        f"up to {n_panes} of a model, each with up to {n_raw:,} raw events: {usual}"
        f"{all_of(largest)}, which input.max_payload_bytes lets in; of a backlog also what is "
        "read in 0.1 s"
    )


def _reference_text(view: ViewCost) -> str:
    if not view.reference_bytes:
        return "none in the state, all models share one"
    text = _bytes(view.reference_bytes)
    if view.collecting_bytes:
        text += f", {_bytes(view.collecting_bytes)} while it is collected"
    if view.cells is not None:
        n_cells, cells = view.cells.n_cells, view.cells
        text += f", and {n_cells:,} pieces of history of {_bytes(cells.cell_bytes)}"
        is_a_lot = cells.counts_bytes * n_cells > max(_A_LOT_BYTES, view.state_bytes // 4)
        text += "; a smaller n_cells in the test makes them smaller" if is_a_lot else ""
    return text


def _detector_text(each: DetectorCost) -> str:
    n_slices = each.n_slices
    slices = "1 slice" if n_slices == 1 else f"{n_slices:,} slices"
    return (
        f"{slices} of {_bytes(each.slice_bytes)}; a test takes about {_time(each.test_us)} and up "
        f"to {_bytes(each.test_bytes)} of memory"
    )


def _time(us: float) -> str:
    if us < 10:
        return f"{us:.1f} µs"
    if us < 1_000:
        return f"{us:,.0f} µs"
    return f"{us / 1_000:,.1f} ms" if us < 1_000_000 else f"{us / 1_000_000:,.1f} s"


def _bytes(n: int) -> str:
    if n < 1_000:
        return f"{n:,} B"
    if n < 1_000_000:
        return f"{n / 1_000:,.0f} kB"
    if n < 10_000_000_000:
        return f"{n / 1e6:,.1f} MB" if n < 10_000_000 else f"{n / 1e6:,.0f} MB"
    return f"{n / 1e9:,.0f} GB"
