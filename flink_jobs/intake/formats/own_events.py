"""The format ``loudly``: Loudly's own events, one in each message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flink_jobs.config.columns import Column, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import locations_of
from flink_jobs.config.parts import have_parts
from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import PART_OF, Messages, ReadEvents, Unusable
from flink_jobs.intake.formats.json import (
    DECODING_FAILS,
    ROLE_KEYS,
    EventDecoder,
    OwnKeys,
    decode_tolerantly,
)
from flink_jobs.intake.formats.json_values import SINGLE, JsonValues
from flink_jobs.intake.formats.parts import as_optional, without_parts
from flink_jobs.intake.slots import SlotFiller
from flink_jobs.intake.unusable import UnusableEventError

# Payloads whose numbers exist as Python objects at a time. With those of a whole batch, which no
# cache of the processor holds, decoding took a third longer.
BLOCK = 128
_KEYS = {"schema_version", "event_id", "label", *ROLE_KEYS.values()}


class OwnEvents:
    """A :class:`~flink_jobs.intake.formats.base.PayloadFormat`.

    Parameters
    ----------
    config : DriftJobConfig
    read : sequence of Column
        Those that become floats.
    """

    def __init__(self, config: DriftJobConfig, read: Sequence[Column]) -> None:
        self._have_parts = have_parts(config)
        self._columns = columns_of(config)
        self._asked = as_optional(self._columns) if self._have_parts else self._columns
        chosen = {column.name for column in read}
        self._read = [column for column in self._asked if column.name in chosen]
        self._keys = _own_keys(config)
        self._decoders: dict[tuple[Path, ...], EventDecoder | None] = {}

    def values(self, messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
        """Look single values up."""
        return JsonValues(paths).of(messages.payloads)

    def read(self, messages: Messages) -> ReadEvents:
        """Read the event of each message."""
        return self.read_located(messages, ())[0]

    def read_located(
        self, messages: Messages, paths: Sequence[Path]
    ) -> tuple[ReadEvents, list[Sequence[Any]]]:
        """Read events and look single values up, in one pass where paths are keys of the event.

        Parameters
        ----------
        messages : Messages
        paths : sequence of Path
            As of :meth:`values`.
        """
        decoder = self._decoder(tuple(paths))
        if decoder is None:
            return self.read_located(messages, ())[0], self.values(messages, paths)
        payloads = messages.payloads
        filler = SlotFiller(self._asked, self._read)
        blocks = [np.empty((0, filler.n_slots))]
        found = _Found(paths)
        for first in range(0, len(payloads), BLOCK):
            events = found.add(decoder, payloads[first : first + BLOCK], first)
            blocks.append(filler.rows(events))
            if self._keys.event_id is not None:
                found.event_ids += [event.event_id for event in events]
            if self._have_parts:
                found.parts += [self._parts(event) for event in events]
        places = np.arange(len(payloads), dtype=np.intp)
        if found.unusable:
            places = np.delete(places, list(found.unusable))
        if self._keys.event_id is None:
            names = messages.names()
            found.event_ids = [names[place] for place in places.tolist()]
        read = ReadEvents(
            places, found.event_ids, np.concatenate(blocks), found.unusable, filler.texts
        )
        if self._have_parts:
            parts = np.array(found.parts, dtype=np.int8)
            read = without_parts(self._columns, read, parts)
        return read, found.singles

    def _parts(self, event: Any) -> int:
        parts = 0
        for role, part in PART_OF.items():
            values = getattr(event, ROLE_KEYS[role], None)
            parts |= part if values is not None else 0
        return parts

    def _decoder(self, paths: tuple[Path, ...]) -> EventDecoder | None:
        """Return what decodes events with some values next to them; None where that cannot be."""
        if paths not in self._decoders:
            more = _more_of(paths, self._keys)
            if more is not None and self._have_parts:
                there = {column.role for column in self._columns}
                absent = [role for role in PART_OF if role not in there]
                more |= {ROLE_KEYS[role]: (ROLE_KEYS[role], Any) for role in absent}
            made = None if more is None else EventDecoder(self._asked, self._keys, more)
            self._decoders[paths] = made
        return self._decoders[paths]


class _Found:
    """The events of some payloads so far."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.event_ids: list[str] = []
        self.parts: list[int] = []
        self.unusable: Unusable = {}
        self._values = JsonValues(paths)
        self._names = [f"v{place}" for place in range(len(paths))]
        self._singles: list[list[Any]] = [[] for _ in paths]

    @property
    def singles(self) -> list[Sequence[Any]]:
        """For each path the values so far."""
        return list(self._singles)

    def add(self, decoder: EventDecoder, payloads: Sequence[bytes], first: int) -> list[Any]:
        """Take payloads, and return the events of those that have one."""
        try:
            events = list(map(decoder.decode_usable, payloads))
        except DECODING_FAILS:
            return self._add_one_by_one(decoder, payloads, first)
        for name, values in zip(self._names, self._singles, strict=True):
            values += [getattr(event, name) for event in events]
        return events

    def _add_one_by_one(
        self, decoder: EventDecoder, payloads: Sequence[bytes], first: int
    ) -> list[Any]:
        events: list[Any] = []
        for place, payload in enumerate(payloads, start=first):
            try:
                event = decode_tolerantly(decoder.decode_usable, payload)
            except DECODING_FAILS:
                for own, values in zip(self._values.of([payload]), self._singles, strict=True):
                    values += own
                try:
                    events.append(decoder.decode(payload))
                except UnusableEventError as error:
                    self.unusable[place] = error
                continue
            events.append(event)
            for name, values in zip(self._names, self._singles, strict=True):
                values.append(getattr(event, name))
        return events


def _own_keys(config: DriftJobConfig) -> OwnKeys:
    location = locations_of(config, "topic").event_id
    event_id = str(location.path[0]) if location.kind == "payload" else None
    label = config.columns.label
    return OwnKeys(
        event_id, label if label and label not in _KEYS and "." not in label else "label"
    )


def _more_of(paths: Sequence[Path], keys: OwnKeys) -> dict[str, tuple[str, Any]] | None:
    """Return the attributes for paths; None where one is not a key of its own."""
    taken = _KEYS | {keys.label, keys.event_id or ""}
    more: dict[str, tuple[str, Any]] = {}
    for place, path in enumerate(paths):
        key = path[0] if len(path) == 1 else None
        if not isinstance(key, str) or key in taken:
            return None
        taken = taken | {key}
        more[f"v{place}"] = key, SINGLE
    return more
