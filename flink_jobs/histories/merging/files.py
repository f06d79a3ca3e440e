"""Files that overlap in time, read as if they had been merged into one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flink_jobs.histories.batches import Batch, EventTime, Names, Source
from flink_jobs.histories.errors import SourceError
from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.merging.lanes import merged

MOST_FILES = 500
"""All of them are open at a time."""


class MergedFiles:
    """Files merged by the event time that each has reached; of equals the first file comes first.

    Rows of one file keep their order. What is late is decided in the merged order.

    Parameters
    ----------
    files : sequence of Source
        One file each.

    Raises
    ------
    SourceError
        When there are too many.
    """

    def __init__(self, files: Sequence[Source]) -> None:
        if len(files) > MOST_FILES:
            raise SourceError(
                f"{len(files):,} files cannot be read side by side, which keeps all of them "
                f'open: merge them into at most {MOST_FILES}, or set columns.files = "in_turn" '
                "where each begins when the one before has ended"
            )
        self._files = files
        self.name = files[0].name
        self.sources = [file.sources[0] for file in files]
        self.warnings = [text for file in files for text in file.warnings]

    @property
    def total(self) -> int:
        """Bytes."""
        return sum(file.total for file in self._files)

    def place(self, partition: int, offset: int) -> str:
        """File and row."""
        return self._files[partition].place(0, offset)

    @property
    def decoded_bytes(self) -> int:
        """About how much disk all rows take at most when they are decoded."""
        return sum(file.decoded_bytes for file in self._files)

    def batches(
        self, names: Names, horizon_ms: int, exchange: Exchange | None = None
    ) -> Iterator[Batch]:
        """All rows; those of a file that is ahead of the others wait."""
        read = [file.batches(names, horizon_ms, exchange) for file in self._files]
        yield from merged(list(enumerate(read)), EventTime(horizon_ms))
