"""Streams of many models, 20 events of each in a pane."""

from __future__ import annotations

from scripts.faults.stream import Stream

EVENTS_PER_PANE = 20
_FEWEST_PANES = 8


def make_stream(n_models: int, n_panes: int) -> Stream:
    """Windows of one pane, so that each pane after the reference is tested and has a score.

    Parameters
    ----------
    n_models : int
    n_panes : int
        Panes of all models together; each model has at least 8, of which two are its reference.

    Examples
    --------
    >>> stream = make_stream(1_000, 60_000)
    >>> stream.n_events, stream.n_reference
    (1200000, 40)
    """
    per_model = max(_FEWEST_PANES, n_panes // n_models)
    return Stream(
        topic=f"models-{n_models}",
        n_events=n_models * EVENTS_PER_PANE * per_model,
        n_models=n_models,
        events_per_pane=EVENTS_PER_PANE,
        panes_per_window=1,
        n_drifting=n_models // 50,
        drift_panes=2,
        # Of the producer, which mixes the events of at least one.
        disorder_ms=1,
    )


def n_windows(stream: Stream) -> int:
    """Windows that are tested: all panes but those of the references.

    Examples
    --------
    >>> n_windows(make_stream(1_000, 60_000))
    58000
    """
    return stream.n_events // stream.events_per_pane - 2 * stream.n_models
