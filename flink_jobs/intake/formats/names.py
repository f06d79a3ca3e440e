"""Names of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import locations_of
from flink_jobs.config.paths import Path, path_text
from flink_jobs.intake.formats.base import Messages, Unusable
from flink_jobs.intake.unusable import encodable, without_value
from flink_jobs.intake.values import refused

MOST_CHARACTERS = 256


class EventNames:
    """Names events by what their payloads say, or as their messages are called.

    Parameters
    ----------
    config : DriftJobConfig

    Attributes
    ----------
    path : Path or None
        Where payloads say it; None where they do not.
    is_optional : bool
        Whether an event is called as its message is where its payload does not say it.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json", n_features = 2}
    ... columns = {event_id = "meta.id"}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> names, messages = EventNames(config), Messages([b"", b""], lambda: ["0:1", "0:2"])
    >>> names.path, names.of(["a", None], messages)
    (('meta', 'id'), (['a', ''], {1: UnusableEventError('invalid_event: meta.id is missing')}))
    """

    def __init__(self, config: DriftJobConfig) -> None:
        location = locations_of(config, "topic").event_id
        self.path: Path | None = location.path if location.kind == "payload" else None
        self.is_optional = location.is_optional

    def of(self, values: Sequence[Any] | None, messages: Messages) -> tuple[list[str], Unusable]:
        """Return the name of each event, and why some cannot be used.

        Parameters
        ----------
        values : sequence of object, or None
            What lies at ``path`` in each message; None where there is no path.
        messages : Messages
        """
        if values is None or self.path is None:
            return list(messages.names()), {}
        if values and set(map(type, values)) == {str}:
            # Unpaired surrogates have no bytes; where all is ASCII there are none.
            lengths = set(map(len, values))
            is_right = min(lengths) > 0 and max(lengths) <= MOST_CHARACTERS
            if is_right and all(map(str.isascii, values)):
                return list(values), {}
        return self._one_by_one(values, messages)

    def _one_by_one(self, values: Sequence[Any], messages: Messages) -> tuple[list[str], Unusable]:
        names: list[str] = []
        unusable: Unusable = {}
        called: Sequence[str] | None = None
        at = path_text(self.path or ())
        for place, value in enumerate(values):
            name = str(value) if type(value) is int else value
            if name is None and self.is_optional:
                called = messages.names() if called is None else called
                name = called[place]
            elif name is None:
                unusable[place] = without_value(at, None)
            elif not is_name(name):
                expected = f"a text of 1 to {MOST_CHARACTERS} characters or a whole number"
                unusable[place] = refused(at, value, expected, None)
            names.append("" if place in unusable else name)
        return names, unusable


def is_name(value: Any) -> bool:
    """Tell whether an event can be called so.

    Examples
    --------
    >>> is_name("a"), is_name(""), is_name(7)
    (True, False, False)
    """
    is_text = isinstance(value, str) and 0 < len(value) <= MOST_CHARACTERS
    return is_text and encodable(value) == value


def of_row(name: str, row: int, n_rows: int) -> str:
    """Call one of several events of a message.

    Examples
    --------
    >>> of_row("a", 2, 3), of_row("a", 0, 1)
    ('a[2]', 'a')
    """
    return f"{name}[{row}]" if n_rows > 1 else name
