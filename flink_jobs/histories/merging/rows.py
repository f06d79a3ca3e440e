"""Rows of several batches as those of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.batches import Rows
from flink_jobs.intake.formats.base import ReadEvents, joined_reads
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import joined


class MergedRows:
    """Rows that lie in several others.

    Parameters
    ----------
    parts : sequence of Rows
        All of payloads, or all of columns; at least one.
    which, inner : ndarray of intp, shape (n,)
        For each row the part in which it lies, and its number there.
    """

    def __init__(
        self, parts: Sequence[Rows], which: NDArray[np.intp], inner: NDArray[np.intp]
    ) -> None:
        self.has_payloads = parts[0].has_payloads
        self.are_events = parts[0].are_events
        self._parts = parts
        self._which = which
        self._inner = inner

    def payload(self, row: int) -> bytes | None:
        """The payload of a row."""
        return self._parts[int(self._which[row])].payload(int(self._inner[row]))

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Bytes of the chosen payloads; -1 where there is none."""
        sizes = np.zeros(len(rows), dtype=np.int64)
        for part, places, inner in self._of(rows):
            sizes[places] = part.sizes(inner)
        return sizes

    def read(
        self, layout: Layout, rows: NDArray[np.intp], names: Callable[[], list[str]]
    ) -> ReadEvents:
        """The events of the chosen rows; ``names`` is asked where they have no ids."""
        # Each part asks for those of all rows.
        names = cache(names)
        reads: list[ReadEvents] = []
        messages: list[NDArray[np.intp]] = []
        for part, places, inner in self._of(rows):

            def own_names(places: NDArray[np.intp] = places) -> list[str]:
                every = names()
                return [every[place] for place in places.tolist()]

            reads.append(part.read(layout, inner, own_names))
            messages.append(places)
        if not reads:
            nothing = layout.nothing()
            return ReadEvents(np.empty(0, dtype=np.intp), [], nothing.x, {}, nothing.texts)
        read = joined_reads(reads, messages, len(rows))
        x, texts = joined([each.x for each in reads], [each.texts for each in reads])
        order = np.argsort(read.places)
        return replace(
            read,
            places=read.places[order],
            event_ids=[read.event_ids[place] for place in order.tolist()],
            x=x[order],
            texts=texts,
            parts=None if read.parts is None else read.parts[order],
        )

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """The true classes of the chosen rows as text; None without any."""
        labels = np.full(len(rows), None, dtype=object)
        has_any = False
        for part, places, inner in self._of(rows):
            # Of several tables one may lack the column.
            if (own := part.labels(inner)) is not None:
                labels[places], has_any = own, True
        return labels if has_any else None

    def _of(
        self, rows: NDArray[np.intp]
    ) -> Iterator[tuple[Rows, NDArray[np.intp], NDArray[np.intp]]]:
        """For each part its rows among the chosen ones: their places there, and their numbers."""
        which = self._which[rows]
        for number in np.unique(which).tolist():
            places = np.flatnonzero(which == number)
            yield self._parts[number], places, self._inner[rows[places]]
