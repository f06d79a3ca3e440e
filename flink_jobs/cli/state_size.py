"""How much state and work a configuration takes, in words."""

from __future__ import annotations

from collections.abc import Iterator

from flink_jobs.config.costs import DetectorCost, ViewCost, costs_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.records.alerts import MAIN_VIEW

# Of a row on the JVM's heap, apart from its payload.
_ROW_BYTES = 200


def state_text(config: DriftJobConfig) -> str:
    """Say what a model takes at most, however much it sends."""
    costs = costs_of(config)
    total = sum(view.state_bytes for view in costs)
    return f"per model up to {_bytes(total)}: {'; '.join(map(_view_text, costs))}"


def cost_texts(config: DriftJobConfig) -> Iterator[str]:
    """Say what a test of each detector takes."""
    for view in costs_of(config):
        for each in view.detectors:
            owner = each.name if view.name == MAIN_VIEW else f"{view.name} / {each.name}"
            yield (
                f"{owner}: a test takes about {_time(each.test.test_us)} and "
                f"{_bytes(each.test.test_bytes)} of memory"
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
    most = _bytes(n_panes * n_raw * (largest + _ROW_BYTES))
    return (
        f"up to {n_panes} of a model, each with up to {n_raw:,} raw events and {_ROW_BYTES} B more "
        f"than its payload for each: {most} if all are of {largest:,} B; of a backlog also what is "
        "read in 0.1 s"
    )


def _view_text(view: ViewCost) -> str:
    parts = [f"{_bytes(view.reference_bytes)} of reference", *map(_slices_text, view.detectors)]
    text = ", ".join(parts)
    if view.collecting_bytes:
        text += f" ({_bytes(view.collecting_bytes)} while the reference is collected)"
    return text if view.name == MAIN_VIEW else f"{view.name}: {text}"


def _slices_text(each: DetectorCost) -> str:
    return f"{each.n_slices:,} slices of {_bytes(each.slice_bytes)} ({each.name})"


def _time(us: float) -> str:
    if us < 1_000:
        return f"{us:,.0f} µs"
    return f"{us / 1_000:,.1f} ms" if us < 1_000_000 else f"{us / 1_000_000:,.1f} s"


def _bytes(n: int) -> str:
    if n < 10_000:
        return f"{n:,} B"
    return f"{n / 1_000:,.0f} kB" if n < 10_000_000 else f"{n / 1_000_000:,.0f} MB"
