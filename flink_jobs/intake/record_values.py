"""The parts of records that messages carry next to their payloads."""

from __future__ import annotations

from collections.abc import Sequence

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import record_parts
from flink_jobs.intake.formats.base import Messages


def part_values(config: DriftJobConfig, messages: Messages, name: str) -> Sequence[str | None]:
    """Return one part of each record.

    Parameters
    ----------
    config : DriftJobConfig
    messages : Messages
    name : str
        As :func:`flink_jobs.config.locations.record_parts` lists it: ``key`` or ``header:NAME``.

    Returns
    -------
    sequence of (str or None)
        None everywhere where messages come from no records, or the part is not among those listed.
    """
    names = record_parts(config)
    if messages.record_parts is None or name not in names:
        return [None] * len(messages)
    place = names.index(name)
    return [parts[place] for parts in messages.record_parts]


def header_values(config: DriftJobConfig, messages: Messages, name: str) -> Sequence[str | None]:
    """Return one header of each record; see :func:`part_values`."""
    return part_values(config, messages, f"header:{name}")
