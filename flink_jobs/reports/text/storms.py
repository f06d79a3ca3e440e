"""Alerts about storms, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flink_jobs.records.alerts import MAIN_VIEW, Alert, AlertKind, Cause, Shared, StormSummary
from flink_jobs.records.shown import shown
from flink_jobs.records.wording import count, first_names
from flink_jobs.times import duration, moment

_MOST_NAMED = 8
_WHAT = {Cause.SILENCE: "fell silent", Cause.UNSTABLE_REFERENCE: "had an unstable reference"}


def storm_lines(alert: Alert, storm: StormSummary) -> Iterator[str]:
    """Say how many models moved, since when and which, and what they share.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> alert = msgspec.json.decode(read_example("alert", "storm"), type=Alert)
    >>> for line in storm_lines(alert, alert.storm):
    ...     print(line)
    100 models moved within 5 min, since 2026-01-01 00:30 UTC; 100 incidents are open
    in common: `plan` (100), `tenure` (61); segment region: EU (93); view inputs (100)
    models: fraud-000, fraud-001, fraud-002 and 97 more
    """
    took = duration(storm.last_ms - storm.first_ms)
    moved = _WHAT.get(storm.of_cause, "moved")
    is_over = alert.kind is AlertKind.RECOVERED
    are_open = f"{count(storm.n_open, 'incident')} {'is' if storm.n_open == 1 else 'are'} open"
    yield (
        f"{count(storm.n_models, 'model')} {moved} "
        f"{f'within {took}' if storm.last_ms > storm.first_ms else 'at once'}, "
        f"since {moment(storm.first_ms)}; {'no incident is open' if is_over else are_open}"
    )
    views = [each for each in storm.views if each.name != MAIN_VIEW]
    shares = [
        _named(storm.columns, "`{}`"),
        _named(storm.segments, "segment {}"),
        _named(views, "view {}"),
    ]
    if said := "; ".join(filter(None, shares)):
        yield f"in common: {said}"
    if storm.models:
        names = [shown(name) for name in storm.models[:_MOST_NAMED]]
        more = storm.n_models - len(names)
        yield f"models: {', '.join(names)}" + (f" and {more:,} more" if more else "")


def _named(shared: Sequence[Shared], as_name: str) -> str:
    return first_names(
        [f"{as_name.format(shown(each.name))} ({each.n_models:,})" for each in shared], _MOST_NAMED
    )
