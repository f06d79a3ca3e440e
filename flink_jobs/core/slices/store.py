"""The contents of slices as entries of the state.

A slice that is still open is a base and the pieces that came since: each pane writes its own piece,
and the pieces are merged into the base once they are as large as it. A base has a bounded size, so
a pane writes on average at most twice its own piece, however long the slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flink_jobs.core.slices.counts import Counts, add_to, total
from flink_jobs.core.slices.running_sums import RunningSums
from flink_jobs.core.slices.slices import Slice, Slices
from flink_jobs.core.slices.summary import Summary, add_sums, merge, merge_samples
from flink_jobs.core.state.entries import Entries
from flink_jobs.core.state.rows import StoredRows

# Below this, what a merge saves is less than what it costs.
_SMALLEST_MERGE_BYTES = 4_096
_MOST_PIECES = 64
# With fewer slices adding all of them is as fast, and costs no memory between windows.
_MANY_SLICES = 8


class SliceStore:
    """The slices of one watcher, with their contents.

    Parameters
    ----------
    entries : Entries
        Of the model.
    prefix : str
        The start of the names of this watcher's entries.
    slices : Slices
        Changed in place.
    sample_size : int
    n_parts : int
        How many entries have been written since the watcher began: the number of the next.
    sums : sequence of RunningSums
        By test: the sums of the last window, where they are at hand.
    """

    def __init__(
        self,
        entries: Entries,
        prefix: str,
        slices: Slices,
        sample_size: int,
        n_parts: int,
        sums: Sequence[RunningSums],
    ) -> None:
        self._entries = entries
        self._prefix = prefix
        self.slices = slices
        self._sample_size = sample_size
        self.n_parts = n_parts
        self._sums = sums

    def begin(self, piece: Slice, summary: Summary) -> None:
        """Begin a slice with a piece of a pane."""
        self.close_last()
        number = self.n_parts
        n_bytes = self._write(summary)
        digest = _digest(0, summary)
        self.slices.append(
            piece._replace(first_part=number, n_parts=1, n_bytes=n_bytes, digest=digest)
        )

    def extend(self, piece: Slice, summary: Summary) -> None:
        """Add a piece of a pane to the slice that is open."""
        place = len(self.slices) - 1
        last = self.slices[place]
        n_bytes = self._write(summary)
        extended = last._replace(
            end_ms=piece.end_ms,
            last_ms=piece.last_ms,
            n_events=last.n_events + piece.n_events,
            n_parts=last.n_parts + 1,
            n_bytes=last.n_bytes + n_bytes,
            fresh_bytes=last.fresh_bytes + n_bytes,
            digest=_digest(last.digest, summary),
        )
        self.slices.replace(place, extended)
        base_bytes = extended.n_bytes - extended.fresh_bytes
        is_worth_it = extended.fresh_bytes >= max(base_bytes, _SMALLEST_MERGE_BYTES)
        if (extended.n_parts > 2 and is_worth_it) or extended.n_parts > _MOST_PIECES:
            self._merge(place)

    def close_last(self) -> None:
        """Merge the pieces of the last slice, since no further one comes."""
        if len(self.slices):
            self._merge(len(self.slices) - 1)

    def summaries(self, slices: Iterable[Slice]) -> list[Summary]:
        """Read the summaries of slices, each piece by itself."""
        return [self._read(part) for each in slices for part in each.parts]

    def counts(self, slices: Slices, n_cells: int, test: int = 0) -> NDArray[np.int64]:
        """Add up the counts of consecutive slices for a test, shape (n_cells,).

        Of many slices from the counts of the window before, if they are at hand: what has left is
        taken off and what has come is added. Integers, so that no bit depends on it.
        """
        if len(slices) < _MANY_SLICES:
            return total(self._counts_of(slices, test), n_cells)
        return self._sums[test].of(slices, n_cells, partial(self._add_counts, test))

    def sums(self, slices: Slices, test: int = 0) -> NDArray[np.float64]:
        """Add up the sums of features of consecutive slices for a test, slice by slice."""
        by_slice = (
            add_sums(s.measures[test].sums for s in self.summaries([each])) for each in slices
        )
        added = add_sums(b"" if each is None else each.tobytes() for each in by_slice)
        assert added is not None  # noqa: S101 - asked of tests on sums alone
        return added

    def sample(self, slices: Slices) -> StoredRows:
        """Return the sample of consecutive slices."""
        return merge_samples([s.sample for s in self.summaries(slices)], self._sample_size)

    def forget_before(self, place: int) -> None:
        """Remove the slices before a place, and their entries."""
        self._remove(self.slices.between(0, place))
        self.slices.drop_first(place)

    def forget_all(self) -> None:
        """Remove all slices and their entries."""
        for sums in self._sums:
            sums.clear()
        self.forget_before(len(self.slices))

    def replace(self, place: int, summary: Summary) -> None:
        """Put a summary in the place of all pieces of a slice."""
        changed = self.slices[place]._replace(n_events=summary.n_events, digest=_digest(0, summary))
        self._put(place, changed, summary)

    def _counts_of(self, slices: Iterable[Slice], test: int) -> list[Counts]:
        measures = (summary.measures[test] for summary in self.summaries(slices))
        return [measure.counts for measure in measures if measure.counts is not None]

    def _add_counts(self, test: int, counts: NDArray[np.int64], slices: Slices, sign: int) -> None:
        for part in self._counts_of(slices, test):
            add_to(counts, part, sign)

    def _merge(self, place: int) -> None:
        each = self.slices[place]
        if each.n_parts > 1:
            self._put(place, each, merge(self.summaries([each]), self._sample_size))

    def _put(self, place: int, changed: Slice, summary: Summary) -> None:
        """Write one entry in the place of all those of a slice."""
        self._remove(self.slices.between(place, place + 1))
        number = self.n_parts
        n_bytes = self._write(summary)
        self.slices.replace(
            place,
            changed._replace(first_part=number, n_parts=1, n_bytes=n_bytes, fresh_bytes=0),
        )

    def _write(self, summary: Summary) -> int:
        n_bytes = self._entries.store(f"{self._prefix}{self.n_parts}", summary)
        self.n_parts += 1
        return n_bytes or _size_of(summary)

    def _read(self, part: int) -> Summary:
        summary = self._entries.load(f"{self._prefix}{part}", Summary)
        if summary is None:
            raise RuntimeError(f"the state does not hold the entry {self._prefix}{part}")
        return summary

    def _remove(self, slices: Slices) -> None:
        """Remove entries, after what they hold has left the sums at hand."""
        for test, sums in enumerate(self._sums):
            sums.leave(slices, partial(self._add_counts, test))
        for each in slices:
            for part in each.parts:
                self._entries.remove(f"{self._prefix}{part}")


def _size_of(summary: Summary) -> int:
    """The size of a summary that stays an object, so that replays merge at the same moments."""
    sample = summary.sample
    n_bytes = len(sample.x) + len(sample.times_ms) + len(sample.keys) + len(sample.identities)
    return n_bytes + sum(
        len(measure.sums) + (len(measure.counts.data) if measure.counts else 0)
        for measure in summary.measures
    )


def _digest(before: int, summary: Summary) -> int:
    for measure in summary.measures:
        before = crc32(measure.sums, before)
        if measure.counts is not None:
            before = crc32(measure.counts.data, before)
    return crc32(summary.sample.x, before)
