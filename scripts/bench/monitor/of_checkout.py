"""Drives the monitor of the checkout on ``PYTHONPATH``; prints what it found as JSON.

Imports of that checkout the public face of the core alone. What differs between checkouts is in
:class:`CountingState` and :func:`_filled`: a state that keeps both protocols, and a pane whose
newer fields are left at their simplest.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import count
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from flink_jobs.config.loading import decode_config
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.intake.panes import Pane

N_COLUMNS, N_REFERENCE, N_EVENTS = 10, 1_000, 200
HOUR_MS = 3_600_000
START_MS = 1_767_225_600_000
PANE_MS = 10_000
# Panes of a fast stream are drawn from a pool: drawing each anew would take longer than the test.
_N_POOL = 32
_D_TOLERANCE = 1e-12
# The first windows of a size wait for the null distribution of that size.
_N_WARM_UP = 60

_JOB = """
version = 1
kafka = {{bootstrap_servers = "127.0.0.1:9092"}}
input = {{n_features = {n_columns}}}
panes = {{width_ms = {pane_ms}}}
window = {{kind = "time", size_ms = {size_ms}, slide_ms = {slide_ms}}}
reference = {{kind = "first_events", n_events = {n_reference}}}
detector = {{reducer = {{kind = "none"}}, test = {{kind = "ks"}}}}
"""


class CountingState:
    """State of one model that counts what is written to it.

    It is a state of named entries, and has the methods of the three blocks that came before them.
    """

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}
        self.n_written = 0

    def get(self, name: str) -> bytes | None:
        """An entry."""
        return self._entries.get(name)

    def put(self, name: str, data: bytes) -> None:
        """Write an entry."""
        self._entries[name] = data
        self.n_written += len(data)

    def delete(self, name: str) -> None:
        """Remove an entry."""
        self._entries.pop(name, None)

    def n_bytes(self) -> int:
        """Size of all entries together."""
        return sum(map(len, self._entries.values()))

    def read_reference(self) -> bytes | None:
        """The reference block."""
        return self.get("reference")

    def write_reference(self, block: bytes) -> None:
        """Replace the reference block."""
        self.put("reference", block)

    def read_recent(self) -> bytes | None:
        """The recent block."""
        return self.get("recent")

    def write_recent(self, block: bytes) -> None:
        """Replace the recent block."""
        self.put("recent", block)

    def read_history(self) -> bytes | None:
        """The history block."""
        return self.get("history")

    def write_history(self, block: bytes) -> None:
        """Replace the history block."""
        self.put("history", block)


class _Driven:
    """A monitor with one model whose panes come one after the other, without a gap."""

    def __init__(self, size_ms: int, slide_ms: int, n_events: int, *, pool: int = 0) -> None:
        toml = _JOB.format(
            n_columns=N_COLUMNS, pane_ms=PANE_MS, size_ms=size_ms, slide_ms=slide_ms,
            n_reference=N_REFERENCE,
        )  # fmt: skip
        self.state = CountingState()
        self.n_events = n_events
        self.scores: list[Any] = []
        self._monitor = DriftMonitor(decode_config(toml.encode()))
        self._draw = _drawer(n_events, pool)
        self._names = [f"event-{row:06d}" for row in range(n_events)]
        self._numbers = count()

    def x(self, number: int) -> NDArray[np.float64]:
        """The numbers of the pane with this number."""
        return self._draw(number)

    def step(self) -> float:
        """Hand over the next pane; returns the processor time that the monitor took, in seconds."""
        number = next(self._numbers)
        pane = self._pane(number)
        begin_s = time.process_time()
        actions = self._monitor.on_pane(pane, self.state)
        seconds = time.process_time() - begin_s
        self.scores += actions.scores
        return seconds

    def _pane(self, number: int) -> Pane:
        n, start_ms = self.n_events, START_MS + number * PANE_MS
        events = _filled(
            # It has moved between modules.
            get_type_hints(Pane)["events"],
            event_ids=self._names,
            partitions=np.zeros(n, dtype=np.int32),
            offsets=np.arange(number * n, (number + 1) * n, dtype=np.int64),
            times_ms=start_ms + np.arange(n, dtype=np.int64) * PANE_MS // n,
            x=self.x(number),
            rows=np.zeros(n, dtype=np.int32),
            texts={},
        )
        pane: Pane = _filled(
            Pane, model="model", start_ms=start_ms, end_ms=start_ms + PANE_MS, events=events,
            dead_letters=[],
        )  # fmt: skip
        return pane


def _filled(kind: Callable[..., Any], **values: Any) -> Any:
    """An instance with those of the values that this checkout's class has a field for."""
    wanted = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in wanted})


def _drawer(n_events: int, pool: int) -> Callable[[int], NDArray[np.float64]]:
    """Normal numbers by the number of the pane; with a ``pool`` they come again after that many."""

    def draw(number: int) -> NDArray[np.float64]:
        return np.random.default_rng([0, number]).normal(size=(n_events, N_COLUMNS))

    if not pool:
        return draw
    drawn = [draw(number) for number in range(pool)]
    return lambda number: drawn[number % pool]


class Cost(NamedTuple):
    """Of one kind of window.

    Attributes
    ----------
    us_per_event : float
        Processor time of an event in the monitor once the first window is full.
    n_windows : int
    digest : str
        Of the windows, their numbers of events and their statistics to 9 digits.
    objection : str
        In which window the statistic is not that of SciPy; empty where it always is.
    """

    us_per_event: float
    n_windows: int
    digest: str
    objection: str


def cost(size: int, slide: int, n_panes: int) -> Cost:
    """Measure ``n_panes`` panes, a multiple of ``slide``, after the first window is full."""
    driven = _Driven(size * PANE_MS, slide * PANE_MS, N_EVENTS)
    n_before = N_REFERENCE // N_EVENTS + size + _N_WARM_UP
    # Windows lie at multiples of their slide: from there on as many are tested in each stretch.
    n_before += -(START_MS // PANE_MS + n_before) % slide
    for _ in range(n_before):
        driven.step()
    seconds = sum(driven.step() for _ in range(n_panes))
    return Cost(
        1e6 * seconds / (n_panes * N_EVENTS),
        len(driven.scores),
        _digest(driven.scores),
        _objection(driven, size),
    )


def _digest(scores: Sequence[Any]) -> str:
    found = [
        (each.window.start_ms, each.window.n_events, round(each.statistic, 9)) for each in scores
    ]
    return hashlib.sha256(json.dumps(sorted(found)).encode()).hexdigest()[:16]


def _objection(driven: _Driven, size: int) -> str:
    """Compare the first and the last window with SciPy's test of the same rows."""
    if not driven.scores:
        return "no window was tested"
    n_first = N_REFERENCE // N_EVENTS
    reference = np.concatenate([driven.x(number) for number in range(n_first)])
    for score in (driven.scores[0], driven.scores[-1]):
        first = (score.window.start_ms - START_MS) // PANE_MS
        rows = np.concatenate([driven.x(first + place) for place in range(size)])
        d = max(
            float(ks_2samp(reference[:, column], rows[:, column], method="asymp").statistic)
            for column in range(N_COLUMNS)
        )
        if score.window.n_events != len(rows) or abs(d - score.statistic) > _D_TOLERANCE:
            return (
                f"window at {score.window.start_ms}: {score.window.n_events} events, "
                f"D = {score.statistic}; SciPy: {len(rows)} events, D = {d}"
            )
    return ""


class Size(NamedTuple):
    """Of the state of a model with daily windows.

    Attributes
    ----------
    n_hours : float
        Hours of events that were read.
    is_whole : bool
        False where the state passed the limit before a window was full.
    state_bytes : int
        The most that the state held after a pane.
    pane_bytes : float
        Written with a pane, on average after the reference.
    most_pane_bytes : int
    """

    n_hours: float
    is_whole: bool
    state_bytes: int
    pane_bytes: float
    most_pane_bytes: int


def size(events_per_s: int, n_hours: int, limit_bytes: int) -> Size:
    """Read some hours for windows of a day, or until the state is larger than the limit."""
    driven = _Driven(24 * HOUR_MS, HOUR_MS, events_per_s * PANE_MS // 1_000, pool=_N_POOL)
    n_first = -(-N_REFERENCE // driven.n_events)
    n_panes, most, written = n_hours * HOUR_MS // PANE_MS, 0, list[int]()
    for number in range(n_panes):
        before = driven.state.n_written
        driven.step()
        if number >= n_first:
            written.append(driven.state.n_written - before)
            most = max(most, driven.state.n_bytes())
        if most > limit_bytes:
            break
    n_hours_read = (len(written) + n_first) * PANE_MS / HOUR_MS
    return Size(
        n_hours_read, len(driven.scores) > 0, most, sum(written) / len(written), max(written)
    )


_CALLS: Mapping[str, Callable[..., Any]] = {"cost": cost, "size": size}


def main() -> None:
    """Arguments: ``cost SIZE SLIDE PANES`` or ``size RATE HOURS LIMIT``."""
    name, *arguments = sys.argv[1:]
    print(json.dumps(_CALLS[name](*map(int, arguments))._asdict()))


if __name__ == "__main__":
    main()
