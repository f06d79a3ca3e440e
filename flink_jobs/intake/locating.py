"""Finds the model and the event time of messages, wherever a configuration says they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import Holder, Location, locations_of
from flink_jobs.config.paths import Path, path_text
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.intake.envelopes import Unwrapped, unwrap
from flink_jobs.intake.event_times import EventTimes
from flink_jobs.intake.formats.base import Messages, Unusable
from flink_jobs.intake.formats.json import HEARTBEAT_KEY
from flink_jobs.intake.formats.registry import format_of
from flink_jobs.intake.record_values import header_values
from flink_jobs.intake.refusals import refusal_of
from flink_jobs.intake.unusable import UnusableEventError, encodable, shown_value
from flink_jobs.records.dead_letters import Reason

_IN_VALUES = ("payload", "attribute")


class Located(NamedTuple):
    """Models and times of messages.

    Attributes
    ----------
    models : list of str or None
        None where there is none; that of a heartbeat is its key.
    times_ms : ndarray of int64, shape (n,)
        Event times. Where there is a problem that of the record, 0 in files.
    problems : dict of int to UnusableEventError
        By message: why it cannot be located. A record without a key is not a problem here.
    """

    models: list[str | None]
    times_ms: NDArray[np.int64]
    problems: Unusable


class Locator:
    """Finds model and event time of messages.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job: places are the same for all models.
    holder : str
        What holds the messages: ``topic`` or ``lines``.

    Attributes
    ----------
    needs_payload : bool
        Whether values have to be read for it.
    paths : tuple of Path
        Those of model and time in payloads, as far as they are there.
    attributes : list of str
        Those of a CloudEvent that are model or time.

    Raises
    ------
    ConfigError
        When something is to be found where the holder has nothing.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json", n_features = 2}
    ... columns = {model = "meta.model", time = "meta.at", time_unit = "s"}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> payloads = [b'{"meta": {"model": "churn", "at": 5}}', b'{"meta": {"model": "churn"}}']
    >>> located = Locator(config, "lines").locate(Messages(payloads, list))
    >>> located.models, located.times_ms, str(located.problems[1])
    (['churn', 'churn'], array([5000,    0]), 'no_time: meta.at is missing')
    """

    def __init__(self, config: DriftJobConfig, holder: Holder) -> None:
        self._config = config
        self._model_name = config.columns.model_name
        locations = locations_of(config, holder)
        self._model, self._time = locations.model, locations.time
        self._are_records = holder == "topic"
        if not self._are_records:
            _check_files(self._model, self._time)
        self._format = format_of(config)
        self._times = EventTimes(config.columns.time_unit, config.columns.time_zone)
        found = (self._model, self._time)
        self.paths: tuple[Path, ...] = tuple(
            location.path for location in found if location.kind == "payload"
        )
        self.attributes = [each.name for each in found if each.kind == "attribute"]
        self.needs_payload = any(location.kind in _IN_VALUES for location in found)

    def locate(
        self,
        messages: Messages,
        times_ms: NDArray[np.int64] | None = None,
        keys: Sequence[str | None] | None = None,
    ) -> Located:
        """Find model and time of each message.

        Parameters
        ----------
        messages : Messages
            A payload may be None on a topic.
        times_ms : ndarray of int64, shape (n,), optional
            The timestamps of records; None in files.
        keys : sequence of (str or None), optional
            The keys of records; None in files.
        """
        n = len(messages)
        own_ms = np.zeros(n, dtype=np.int64) if times_ms is None else times_ms
        problems = self._unreadable(messages) if self.needs_payload and self._are_records else {}
        values: list[Sequence[Any]] = []
        unwrapped = Unwrapped(messages)
        if self.needs_payload:
            if problems:
                payloads = [
                    b"" if place in problems else payload
                    for place, payload in enumerate(messages.payloads)
                ]
                messages = Messages(payloads, messages.names, messages.record_parts)
            unwrapped = unwrap(self._config, messages, self.attributes)
            values = self._format.values(unwrapped.messages, self.paths) if self.paths else []
        return self.located(unwrapped, values, own_ms, keys, problems)

    def located(
        self,
        unwrapped: Unwrapped,
        values: Sequence[Sequence[Any]],
        own_ms: NDArray[np.int64],
        keys: Sequence[str | None] | None = None,
        problems: Unusable | None = None,
    ) -> Located:
        """Find model and time where the values at ``paths`` are known.

        Parameters
        ----------
        unwrapped : Unwrapped
        values : sequence of sequence
            For each of ``paths`` the value of each message.
        own_ms : ndarray of int64, shape (n,)
            The timestamps of records.
        keys : sequence of (str or None), optional
        problems : dict of int to UnusableEventError, optional
            Why some messages have no values.
        """
        problems = {**unwrapped.unusable, **(problems or {})}
        in_payload = iter(values)
        models = self._models(unwrapped, in_payload, keys, problems)
        times_ms = self._event_times(unwrapped, in_payload, own_ms, problems)
        beats = _heartbeats(keys)
        for place in beats:
            models[place] = HEARTBEAT_KEY
            problems.pop(place, None)
        if problems or beats:
            others = [*problems, *beats]
            times_ms = times_ms.copy()
            times_ms[others] = own_ms[others]
        return Located(models, times_ms, problems)

    def _unreadable(self, messages: Messages) -> Unusable:
        """Refuse what holds no value, or too large a one, before it is read."""
        most = self._config.input.max_payload_bytes
        problems: Unusable = {}
        for place, payload in enumerate(messages.payloads):
            if payload is None:
                problems[place] = refusal_of(self._config, Reason.MISSING_PAYLOAD)
            elif len(payload) > most:
                error = refusal_of(self._config, Reason.OVERSIZED_PAYLOAD, len(payload))
                problems[place] = error
        return problems

    def _models(
        self,
        unwrapped: Unwrapped,
        in_payload: Any,
        keys: Sequence[str | None] | None,
        problems: Unusable,
    ) -> list[str | None]:
        n = len(unwrapped.messages)
        if self._model_name:
            return [self._model_name] * n
        if self._model.kind == "key":
            return list(keys) if keys is not None else [None] * n
        found = self._found(self._model, unwrapped, in_payload)
        models: list[str | None] = list(found)
        if all(type(value) is str and value and value.isascii() for value in found):
            return models
        for place, value in enumerate(found):
            error = _why_no_model(self._model, value)
            if error is not None:
                problems.setdefault(place, error)
                models[place] = None
            else:
                models[place] = encodable(str(value))
        return models

    def _event_times(
        self,
        unwrapped: Unwrapped,
        in_payload: Any,
        own_ms: NDArray[np.int64],
        problems: Unusable,
    ) -> NDArray[np.int64]:
        if self._time.kind == "timestamp":
            return own_ms
        found = self._found(self._time, unwrapped, in_payload)
        times_ms, wrong = self._times.read_all(found)
        for place, what in wrong.items():
            value, at = found[place], _text(self._time)
            is_unreadable = isinstance(value, UnusableEventError)
            error = value if is_unreadable else UnusableEventError(Reason.NO_TIME, f"{at} {what}")
            problems.setdefault(place, error)
        return times_ms

    def _found(self, location: Location, unwrapped: Unwrapped, in_payload: Any) -> Sequence[Any]:
        """Return what lies at a place of each message."""
        if location.kind == "payload":
            found: Sequence[Any] = next(in_payload)
            return found
        if location.kind == "attribute":
            return unwrapped.attributes.get(location.name, [None] * len(unwrapped.messages))
        return header_values(self._config, unwrapped.messages, location.name)


def _check_files(model: Location, time: Location) -> None:
    problems = [
        Problem(f"columns.{name}", f"{_text(location)} of a record, where there are files", allowed)
        for name, location, allowed in (
            ("model", model, "a path, or columns.model_name"),
            ("time", time, "a path"),
        )
        if location.kind in ("key", "timestamp", "header")
    ]
    if problems:
        raise ConfigError(problems)


def _why_no_model(location: Location, value: Any) -> UnusableEventError | None:
    """Say why a value is not a model's name; None where it is one."""
    if isinstance(value, UnusableEventError):
        return value
    if type(value) is int or (isinstance(value, str) and value):
        return None
    at = _text(location)
    if value is None or value == "":
        return UnusableEventError(
            Reason.NO_MODEL, f"{at} is {'missing' if value is None else 'empty'}"
        )
    return UnusableEventError(Reason.NO_MODEL, f"{at} is {shown_value(value)}, which is not a name")


def _heartbeats(keys: Sequence[str | None] | None) -> list[int]:
    """Return the places of heartbeats, whose values are empty and whose headers say nothing."""
    if keys is None or HEARTBEAT_KEY not in keys:
        return []
    return [place for place, key in enumerate(keys) if key == HEARTBEAT_KEY]


def _text(location: Location) -> str:
    """Write a place as a configuration does."""
    match location.kind:
        case "payload":
            return path_text(location.path)
        case "header":
            return f"@header.{location.name}"
        case "attribute":
            return f"@ce.{location.name}"
        case _:
            return f"@{location.kind}"
