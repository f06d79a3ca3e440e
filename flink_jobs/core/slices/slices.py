"""The slices of a watcher: where they lie in time and what they hold, without their contents."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Slice(NamedTuple):
    """A run of panes between two window edges.

    Attributes
    ----------
    start_ms : int
        Its edge in event time.
    end_ms : int
        End of its last pane with events so far.
    first_ms, last_ms : int
        Event times of its first and last event.
    first_event, n_events : int
        Position of its first event since the reference, and their number.
    first_part, n_parts : int
        The numbers of the entries that hold its summary, one after the other.
    n_bytes, fresh_bytes : int
        Size of these entries, and of those that were not merged yet.
    digest : int
        Of their contents.
    """

    start_ms: int
    end_ms: int
    first_ms: int
    last_ms: int
    first_event: int
    n_events: int
    first_part: int = 0
    n_parts: int = 0
    n_bytes: int = 0
    fresh_bytes: int = 0
    digest: int = 0

    @property
    def end_event(self) -> int:
        """The position after its last event."""
        return self.first_event + self.n_events

    @property
    def parts(self) -> range:
        """The numbers of the entries that hold its summary."""
        return range(self.first_part, self.first_part + self.n_parts)


_FIELDS = {name: place for place, name in enumerate(Slice._fields)}


class Slices:
    """Slices in the order of time.

    One matrix of integers rather than a list of objects: a window of 360 panes has 360 slices, and
    making their objects anew with every pane took longer than the test of the window.

    Parameters
    ----------
    data : bytes
        As :meth:`to_bytes` gives them.

    Examples
    --------
    >>> slices = Slices()
    >>> slices.append(Slice(0, 1_000, 5, 990, 0, 40))
    >>> slices.append(Slice(2_000, 3_000, 2_001, 2_500, 40, 7))
    >>> len(slices), slices[-1].n_events, slices.first_from(1_000), slices.n_events
    (2, 7, 1, 47)
    """

    def __init__(self, data: bytes = b"") -> None:
        self._matrix = np.frombuffer(data, dtype=np.int64).reshape(-1, len(_FIELDS)).copy()
        self._starts_ms: list[int] | None = None

    def __len__(self) -> int:
        return len(self._matrix)

    def __getitem__(self, place: int) -> Slice:
        return Slice(*self._matrix[place].tolist())

    def __iter__(self) -> Iterator[Slice]:
        return (Slice(*row) for row in self._matrix.tolist())

    def between(self, first: int, stop: int) -> Slices:
        """Return the slices at the places ``first`` to ``stop - 1``; later changes show in both."""
        return self.chosen(slice(first, stop))

    def chosen(self, places: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Slices:
        """Return the slices at some places."""
        return Slices._of(self._matrix[places])

    def among(self, starts_ms: Collection[int]) -> Slices:
        """Return the slices that start at one of some moments."""
        return self.chosen(np.isin(self._column("start_ms"), list(starts_ms)))

    def keys(self) -> NDArray[np.int64]:
        """Return numbers that tell slices of one entry from all others, contents included."""
        return (self._column("first_part") << 32) | self._column("digest")

    def first_parts(self) -> NDArray[np.int64]:
        """Return the number of the first entry of each slice."""
        return self._column("first_part")

    def append(self, new: Slice) -> None:
        """Add a slice after the last one."""
        self._matrix = np.concatenate([self._matrix, np.array([new], dtype=np.int64)])
        self._starts_ms = None

    def replace(self, place: int, new: Slice) -> None:
        """Put a slice in the place of another."""
        self._matrix[place] = new
        self._starts_ms = None

    def drop_first(self, n: int) -> None:
        """Forget the first ``n`` slices."""
        self._matrix = self._matrix[n:]
        self._starts_ms = None

    def first_from(self, start_ms: int) -> int:
        """Return the place of the first slice that starts at ``start_ms`` or later."""
        # Asked nine times with each pane; NumPy takes ten times as long.
        if self._starts_ms is None:
            self._starts_ms = self._column("start_ms").tolist()
        return bisect_left(self._starts_ms, start_ms)

    def first_reaching(self, start_ms: int) -> int:
        """As :meth:`first_from`, of slices some of which may start before earlier ones."""
        is_reached = self._column("start_ms") >= start_ms
        return int(np.argmax(is_reached)) if is_reached.any() else len(self)

    def first_holding(self, position: int) -> int:
        """Return the place of the first slice with an event at or after a position."""
        ends = self._column("first_event") + self._column("n_events")
        return int(ends.searchsorted(position, side="right"))

    def first_gap(self, first: int, stop: int, gap_ms: int) -> int | None:
        """Return the first place after ``first``, before ``stop``, that follows on a gap."""
        starts, ends = self._column("start_ms"), self._column("end_ms")
        is_gap = starts[first + 1 : stop] - ends[first : stop - 1] >= gap_ms
        return first + 1 + int(np.argmax(is_gap)) if is_gap.any() else None

    def first_within(self, most: int, first: int, stop: int) -> int:
        """Return the first of the newest slices that hold at most ``most`` events; at least one."""
        counts = self._column("n_events")[first:stop][::-1]
        n_kept = int(np.searchsorted(np.cumsum(counts), most, side="right"))
        return stop - max(1, n_kept)

    def last_with(self, least: int, first: int) -> int:
        """Return the last place from ``first`` on whose slices, to the end, hold enough events.

        ``first`` where all together hold fewer than ``least``.
        """
        counts = self._column("n_events")[first:][::-1]
        n_kept = 1 + int(np.searchsorted(np.cumsum(counts), least, side="left"))
        return max(first, len(self) - n_kept)

    @property
    def n_events(self) -> int:
        """The number of events in all of them."""
        return int(self._column("n_events").sum())

    def identity(self) -> list[tuple[int, int]]:
        """Return start and digest of each, from which its contents follow."""
        starts, digests = self._column("start_ms").tolist(), self._column("digest").tolist()
        return list(zip(starts, digests, strict=True))

    @property
    def n_bytes(self) -> int:
        """Size of all their entries."""
        return int(self._column("n_bytes").sum())

    def to_bytes(self) -> bytes:
        """Return what :class:`Slices` is made of."""
        return self._matrix.tobytes()

    @classmethod
    def _of(cls, matrix: NDArray[np.int64]) -> Slices:
        slices = cls.__new__(cls)
        slices._matrix, slices._starts_ms = matrix, None
        return slices

    def _column(self, name: str) -> NDArray[np.int64]:
        return self._matrix[:, _FIELDS[name]]
