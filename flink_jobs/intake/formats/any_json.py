"""The format ``json``: JSON of any shape, one event in each message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flink_jobs.config.columns import Column, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import Messages, ReadEvents, Unusable
from flink_jobs.intake.formats.json import lenient_tree
from flink_jobs.intake.formats.json_values import JsonValues
from flink_jobs.intake.formats.names import EventNames
from flink_jobs.intake.formats.trees import TreeReader, at_path
from flink_jobs.intake.slots import ColumnFiller
from flink_jobs.intake.unusable import UnusableEventError


class AnyJson:
    """A :class:`~flink_jobs.intake.formats.base.PayloadFormat`.

    Parameters
    ----------
    config : DriftJobConfig
    read : sequence of Column
        Those that become floats.
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        self._names = EventNames(config)
        self._read = read
        self._trees = TreeReader(columns_of(config))

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look single values up."""
        return JsonValues(paths).of(messages.payloads)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the event of each message."""
        trees: list[Any] = []
        unusable: Unusable = {}
        for place, payload in enumerate(messages.payloads):
            try:
                trees.append(lenient_tree(payload))
            except UnusableEventError as error:
                unusable[place] = error
                trees.append(None)
        path = self._names.path
        named = None if path is None else at_path(trees, path)
        event_ids, nameless = self._names.of(named, messages)
        values, wrong = self._trees.read(trees, event_ids)
        filler = ColumnFiller(self._read)
        x = filler.rows(values, len(trees))
        places = np.arange(len(trees), dtype=np.intp)
        unusable = wrong | nameless | unusable
        return ReadEvents(places, event_ids, x, unusable, filler.texts)
