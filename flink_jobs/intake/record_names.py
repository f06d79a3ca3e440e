"""Names of events by the records that hold them, if their payloads give none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import locations_of
from flink_jobs.intake.envelopes import Unwrapped
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.record_values import part_values
from flink_jobs.intake.texts import cut
from flink_jobs.intake.unusable import encodable


class RecordNames:
    """Names messages after a key, a header or an attribute, and after their places where it lacks.

    Parameters
    ----------
    config : DriftJobConfig

    Attributes
    ----------
    attributes : tuple of str
        Of a CloudEvent, that names are.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config
        self._location = locations_of(config, "topic").event_id
        is_attribute = self._location.kind == "attribute"
        self.attributes: tuple[str, ...] = (self._location.name,) if is_attribute else ()

    def named(self, unwrapped: Unwrapped) -> Messages:
        """Return messages with their names."""
        messages, location = unwrapped.messages, self._location
        if location.kind == "attribute":
            own = unwrapped.attributes.get(location.name)
        elif location.kind == "key":
            own = part_values(self._config, messages, "key")
        elif location.kind == "header":
            own = part_values(self._config, messages, f"header:{location.name}")
        else:
            return messages
        if own is None:
            return messages
        return replace(messages, names=lambda: _or_places(own, messages))


def _or_places(own: Sequence[str | None], messages: Messages) -> list[str]:
    if all(own):
        return [cut(encodable(name)) for name in own if name]
    pairs = zip(own, messages.names(), strict=True)
    return [cut(encodable(name)) if name else place for name, place in pairs]
