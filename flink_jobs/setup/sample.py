"""A sample of what a file, a folder or a topic holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flink_jobs.config.locations import Holder

Tree = Any
"""A decoded event: dictionaries and lists of single values."""


@dataclass(frozen=True)
class RawRecord:
    """A Kafka record, or a line of a file, as it came.

    Attributes
    ----------
    payload : bytes
    key : str or None
    timestamp_ms : int or None
    headers : tuple of (str, str)
    partition : int
    """

    payload: bytes
    key: str | None = None
    timestamp_ms: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    partition: int = 0


@dataclass(frozen=True)
class FilePart:
    """Part of one file of a folder that was looked at.

    Attributes
    ----------
    name : str
        Within the folder.
    n_rows : int
        Known, or estimated from its bytes.
    columns : tuple of str
        Of a table; empty for lines.
    rows : tuple of int
        The first and the last of its rows among those of the sample, ``[first, last)``.
    bounds : mapping of str to tuple
        The least and the largest value of columns, where the file says them.
    """

    name: str
    n_rows: int
    columns: tuple[str, ...] = ()
    rows: tuple[int, int] = (0, 0)
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """Rows of a table, or records with payloads.

    Attributes
    ----------
    source : str
        What people call it.
    name : str
        A short name for a model that the data does not name.
    holder : str
        ``table``, ``lines`` or ``topic``.
    trees : sequence of object
        The rows of a table as dictionaries; empty where there are records.
    records : sequence of RawRecord
    n_total : int
        Rows or records in all.
    is_exact : bool
        Whether that is a count rather than an estimate.
    are_texts : bool
        Whether all values are texts, as in CSV.
    files : sequence of FilePart
    notes : list of str
        What people should know about how it was read.
    bootstrap_servers, topic : str
        Of a topic.
    span_ms : tuple of int or None
        The first and the last timestamp of a topic.
    """

    source: str
    name: str
    holder: Holder
    trees: Sequence[Tree] = ()
    records: Sequence[RawRecord] = ()
    n_total: int = 0
    is_exact: bool = True
    are_texts: bool = False
    files: Sequence[FilePart] = ()
    notes: list[str] = field(default_factory=list)
    bootstrap_servers: str = ""
    topic: str = ""
    span_ms: tuple[int, int] | None = None

    @property
    def breaks(self) -> tuple[int, ...]:
        """The rows at which another file or partition begins."""
        if self.holder == "topic":
            numbers = [record.partition for record in self.records]
            return tuple(n for n in range(1, len(numbers)) if numbers[n] != numbers[n - 1])
        return tuple(part.rows[0] for part in self.files if part.rows[0])

    def __len__(self) -> int:
        return len(self.trees) or len(self.records)
