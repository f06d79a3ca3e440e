"""When things happen in the demonstration: one hour of event time, the same in every run.

The instant is fixed, so that a second run gives the same panes, the same windows and therefore the
same alert ids.
"""

from __future__ import annotations

MINUTE_MS = 60_000
START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
END_MS = START_MS + 60 * MINUTE_MS

EVENTS_PER_MINUTE = 300
N_EVENTS = 60 * EVENTS_PER_MINUTE
N_REFERENCE = 10 * EVENTS_PER_MINUTE
"""The first ten minutes of every model."""
DRIFT_FROM = 30 * EVENTS_PER_MINUTE
"""The event at which the simulated drifts begin, half an hour after the start."""

PANE_MS = MINUTE_MS
WINDOW_MS = 10 * MINUTE_MS
SLIDE_MS = 2 * MINUTE_MS
OUT_OF_ORDERNESS_MS = 5_000

REFERENCE_END_MS = START_MS + 10 * MINUTE_MS
WINDOW_ENDS_MS = tuple(range(REFERENCE_END_MS + WINDOW_MS, END_MS + 1, SLIDE_MS))
"""The ends of the windows that every model is tested on."""
