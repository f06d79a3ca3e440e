"""The tables of a configuration that decide over many models at once."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from flink_jobs.config.tables.base import Level, NonNegativeInt, Table

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS


class StormTable(Table, frozen=True, kw_only=True):
    """When models that move together raise one alert instead of one each.

    Each ``started`` waits for ``within_ms`` of event time, so that all that belongs together is
    known. A job without this table delays nothing.

    Attributes
    ----------
    models : int
        This many models that start incidents of one kind are a storm.
    within_ms : int
        Event time within which they start. A storm takes further models in as long as the next
        comes within this time after the last.
    ongoing_every_ms : int
        The shortest time between two alerts of a storm that has neither grown to twice its size
        nor become worse; 0 for one with every alert that it holds back.
    named_models : int
        The most models that an alert names; it counts all.
    """

    models: Annotated[int, Meta(ge=2, le=1_000_000)] = 10
    within_ms: Annotated[int, Meta(ge=1, le=_DAY_MS)] = 10 * _MINUTE_MS
    ongoing_every_ms: NonNegativeInt = 4 * 60 * _MINUTE_MS
    named_models: Annotated[int, Meta(ge=0, le=1_000)] = 20


class FalseDiscoveriesTable(Table, frozen=True, kw_only=True):
    """How many of the incidents of drift that are told of may be false, over all models.

    An incident that is not a discovery is held back. A job without this table tells of all.

    Attributes
    ----------
    level : float
        The mean share of false ones among the discoveries of a period is at most this.
    per_ms : int
        A period of event time; each has a budget of its own. Longer ones leave each test less.
    """

    level: Level = 0.1
    per_ms: Annotated[int, Meta(ge=1, le=31 * _DAY_MS)] = _DAY_MS
