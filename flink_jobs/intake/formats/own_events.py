"""The format ``loudly``: Loudly's own events, one in each message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flink_jobs.config.columns import Column, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import Messages, ReadEvents, Unusable
from flink_jobs.intake.formats.json import EventDecoder
from flink_jobs.intake.formats.json_values import JsonValues
from flink_jobs.intake.slots import SlotFiller

# Payloads whose numbers exist as Python objects at a time. With those of a whole batch, which no
# cache of the processor holds, decoding took a third longer.
BLOCK = 128


class OwnEvents:
    """A :class:`~flink_jobs.intake.formats.base.PayloadFormat`.

    Parameters
    ----------
    config : DriftJobConfig
    read : sequence of Column
        Those that become floats.
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        self._columns = columns_of(config)
        self._read = read
        self._decoder = EventDecoder(self._columns)

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look single values up."""
        return JsonValues(paths).of(messages.payloads)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the event of each message."""
        payloads = messages.payloads
        filler = SlotFiller(self._columns, self._read)
        event_ids: list[str] = []
        unusable: Unusable = {}
        blocks = [np.empty((0, filler.n_slots))]
        for first in range(0, len(payloads), BLOCK):
            events, wrong = self._decoder.decode_all(payloads[first : first + BLOCK])
            unusable |= {first + place: error for place, error in wrong.items()}
            event_ids += [event.event_id for event in events]
            blocks.append(filler.rows(events))
        places = np.arange(len(payloads), dtype=np.intp)
        if unusable:
            places = np.delete(places, list(unusable))
        return ReadEvents(places, event_ids, np.concatenate(blocks), unusable, filler.texts)
