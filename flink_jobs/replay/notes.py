"""What a reader of a backtest should know, a sentence each; none where there is nothing to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Source
from flink_jobs.histories.first_names import first_names
from flink_jobs.histories.known_drifts.shift_table import Shift
from flink_jobs.records.dead_letters import Reason
from flink_jobs.times import moment

# Of all events; fewer are no sign of a mistake.
_NOTED_SHARE = 0.01
# The year 1973: before, seconds were meant.
_EARLIEST_MS = 10**11
_MOST_NAMED = 5
_UNIT = "times are milliseconds since 1970"


def event_warnings(
    config: DriftJobConfig,
    source: Source,
    reasons: Mapping[str, int],
    *,
    n_events: int,
    n_used: int,
    start_ms: int | None,
    latest_ms: int = 0,
) -> list[str]:
    """What to say of the events of a backtest, in process or on Flink.

    ``reasons`` counts the dead letters, ``start_ms`` is None where no event has a time, and
    ``latest_ms`` says how late the latest event came; 0 if that is not known.
    """
    n_files = len(source.sources)
    return [
        *unused_warning(n_used),
        *late_warning(config, reasons.get(Reason.LATE, 0), n_events, latest_ms, n_files=n_files),
        *future_warning(reasons.get(Reason.FAR_FUTURE, 0), n_events),
        *([] if start_ms is None else early_warning(start_ms)),
    ]


def unused_warning(n_used: int) -> list[str]:
    """What to say where nothing was tested since no event could be used."""
    return [] if n_used else ["no event could be used, so nothing was tested"]


def future_warning(n_future: int, n_events: int) -> list[str]:
    """What to say where many events lie ahead of the clock, as where microseconds were meant."""
    if n_future <= _NOTED_SHARE * n_events:
        return []
    ahead = f"{n_future:,} of {n_events:,} events lie ahead of the clock and were not used"
    return [f"{ahead}: {_UNIT}"]


def early_warning(start_ms: int) -> list[str]:
    """What to say where the first event is so early that its time is probably of another unit.

    Examples
    --------
    >>> early_warning(1_767_225_600)
    ['the first event is of 1970-01-21: times are milliseconds since 1970']
    """
    if start_ms >= _EARLIEST_MS:
        return []
    return [f"the first event is of {moment(start_ms).split()[0]}: {_UNIT}"]


def late_warning(
    config: DriftJobConfig, n_late: int, n_events: int, latest_ms: int, *, n_files: int
) -> list[str]:
    """What to say where many events came too late."""
    if n_late <= _NOTED_SHARE * n_events:
        return []
    latest = f"; the latest came {latest_ms:,} ms late" if latest_ms else ""
    beside = (
        f"; where the {n_files:,} files lie beside each other in time, set columns.files = "
        '"side_by_side"'
    )
    return [
        f"{n_late:,} of {n_events:,} events came too late and were not used: raise "
        f"input.max_out_of_orderness_ms, which is {config.input.max_out_of_orderness_ms:,}{latest}"
        f"{beside if n_files > 1 and config.columns.files == 'in_turn' else ''}"
    ]


def duplicate_warning(n_duplicates: int) -> list[str]:
    """What to say where events came twice."""
    if not n_duplicates:
        return []
    return [f"{n_duplicates:,} events have the id and the time of one before them: all were used"]


def reference_warning(missing: Mapping[str, int]) -> list[str]:
    """What to say of models whose reference was not complete when the history was over."""
    if not missing:
        return []
    lacking = [f"{name} lacks {n:,} events" for name, n in sorted(missing.items())]
    shown = first_names(lacking, _MOST_NAMED)
    return [f"the reference was still being collected at the end: {shown}"]


def shift_warning(shifts: Sequence[Shift], effective: Set[int]) -> list[str]:
    """What to say of shifts of which no event shows anything: their drifts cannot be found."""
    names = [
        f"{shift.name or shift.__struct_config__.tag} (shifts[{place}])"
        for place, shift in enumerate(shifts)
        if place not in effective
    ]
    if not names:
        return []
    return [f"simulated shifts that changed no event: {first_names(names, _MOST_NAMED)}"]
