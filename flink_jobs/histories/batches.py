"""A history in pieces: the batches, models, event time and classes that every source hands on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flink_jobs.intake.formats.base import ReadEvents
from flink_jobs.intake.layouts import Layout
from flink_jobs.records.dead_letters import Reason
from flink_jobs.times import NEVER_MS

if TYPE_CHECKING:
    from flink_jobs.histories.exchange import Exchange


class Names(dict[str | None, int]):
    """Numbers of the models, in the order in which they first appear; -1 for a row without one."""

    def __init__(self) -> None:
        super().__init__({None: -1, "": -1})
        self.all: list[str] = []

    def __missing__(self, name: str) -> int:
        self[name] = len(self.all)
        self.all.append(name)
        return self[name]


class Misplaced(NamedTuple):
    """A row without a place in event time.

    ``partition`` is -1 where it is that of the batch.
    """

    code: int
    offset: int
    reason: Reason
    detail: str
    payload: bytes | None = None
    event_id: str | None = None
    partition: int = -1
    time_ms: int = 0


class Rows(Protocol):
    """Contents of the rows of a batch: payloads, or columns."""

    has_payloads: bool
    are_events: bool
    """Whether payloads are what an inference topic holds, with the keys of the event schema."""

    def payload(self, row: int) -> bytes | None:
        """The payload of a row."""
        ...

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Bytes of the chosen payloads; -1 where there is none."""
        ...

    def read(
        self, layout: Layout, rows: NDArray[np.intp], names: Callable[[], list[str]]
    ) -> ReadEvents:
        """The events of the chosen rows; ``names`` is asked where they have no ids."""
        ...

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """The true classes of the chosen rows as text, None of a row without; None without any."""
        ...


@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive rows of a history.

    Attributes
    ----------
    codes : ndarray of int32, shape (n,)
        The number of each row's model.
    times_ms, partitions, offsets : ndarray, shape (n,)
    reached_ms : ndarray of int64, shape (n,)
        The event time that had been reached before each row.
    reached_after_ms : int
        The event time reached now.
    rows : Rows
    misplaced : list of Misplaced
        Rows that are not among the arrays.
    partition : int
        Where the misplaced rows lie.
    done : int
        How much of ``Source.total`` has been read.
    """

    codes: NDArray[np.int32]
    times_ms: NDArray[np.int64]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]
    reached_ms: NDArray[np.int64]
    reached_after_ms: int
    rows: Rows
    done: int
    misplaced: list[Misplaced] = field(default_factory=list)
    partition: int = 0

    def __len__(self) -> int:
        return len(self.codes) + len(self.misplaced)


class Source(Protocol):
    """A history that is there to be read, again and again, in one order."""

    name: str
    sources: list[str]
    warnings: list[str]

    @property
    def total(self) -> int:
        """Bytes, or records of a topic."""
        ...

    @property
    def decoded_bytes(self) -> int:
        """About how much disk all rows take at most when they are decoded."""
        ...

    def batches(
        self, names: Names, horizon_ms: int, exchange: Exchange | None = None
    ) -> Iterator[Batch]:
        """All rows; times beyond ``horizon_ms`` do not move event time.

        With an exchange, its processes decode rows for each other.
        """
        ...

    def place(self, partition: int, offset: int) -> str:
        """Name the place of a row, for people."""
        ...


class EventTime:
    """The event time that a sequence of rows has reached.

    Parameters
    ----------
    horizon_ms : int
        A time beyond it is a wrong clock and does not count.
    """

    def __init__(self, horizon_ms: int) -> None:
        self._horizon_ms = horizon_ms
        self.reached_ms = NEVER_MS

    def before(self, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what had been reached before each row; takes the rows into account.

        Examples
        --------
        >>> EventTime(100).before(np.array([5, 3, 500, 9, 1]))[1:]
        array([5, 5, 5, 9])
        """
        running = self.running(times_ms)
        before = np.empty_like(running)
        before[:1] = self.reached_ms
        before[1:] = running[:-1]
        if len(running):
            self.reached_ms = int(running[-1])
        return before

    def running(self, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what has been reached with each row."""
        counted = np.where(times_ms > self._horizon_ms, NEVER_MS, times_ms)
        running = np.maximum.accumulate(counted)
        return np.asarray(np.maximum(running, self.reached_ms), dtype=np.int64)


def class_names(values: Iterable[Any]) -> NDArray[np.object_]:
    """The class of each event as text, None where it has none.

    The same class has one name, whatever a file makes of it: a column of integers with a gap is
    read as floats.

    Examples
    --------
    >>> class_names([3, 3.0, "3", float("nan"), "", True]).tolist()
    ['3', '3', '3', None, None, 'true']
    """
    names = [_name(value) for value in values]
    return np.fromiter(names, dtype=object, count=len(names))


def _name(value: Any) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case bytes():
            return value.decode(errors="replace") or None
        case None | "":
            return None
        case _:
            return str(value) if value == value else None
