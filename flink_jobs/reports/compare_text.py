"""A comparison in words: the rows of its table."""

from __future__ import annotations

from collections.abc import Sequence

from flink_jobs.evaluation.compare.compare import Outcome
from flink_jobs.evaluation.evaluate import Figures
from flink_jobs.times import duration, unit_of

HEADER = (
    "configuration",
    "missed",
    "delay",
    "false alarms",
    "time between them",
    "F1",
    "F1 of every n",
    "events/s",
)


def table_rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """A row under :data:`HEADER` for each outcome.

    *time between them* is the mean and its 95 % interval; *F1 of every n* is that of a detector
    that alarms as often without looking.
    """
    return [_row(outcome) for outcome in outcomes]


def _row(outcome: Outcome) -> tuple[str, ...]:
    found = outcome.figures.detector
    return (
        outcome.label,
        f"{found.n_missed} of {found.n_drifts}",
        duration(found.mean_delay_ms),
        f"{found.n_false_alarms} of {found.n_alarms}",
        _between_false_alarms(found),
        _rate(found.f1),
        _rate(outcome.figures.every_n_windows.f1),
        f"{outcome.events_per_s:,.0f}",
    )


def _between_false_alarms(found: Figures) -> str:
    low_ms, high_ms = found.time_between_false_alarms_interval_ms()
    mean_ms = found.mean_time_between_false_alarms_ms
    if mean_ms is None or high_ms is None:
        return f"> {_roughly(low_ms)}"
    return f"{_roughly(mean_ms)} ({_roughly(low_ms)} to {_roughly(high_ms)})"


def _roughly(time_ms: float) -> str:
    """Two digits in one unit: these are estimates from few events, and the table is wide.

    Examples
    --------
    >>> _roughly(12_380_000), _roughly(0.0), _roughly(3_599_000)
    ('3.4 h', '0 ms', '60 min')
    """
    unit_ms, unit = unit_of(time_ms)
    return f"{_two_digits(time_ms / unit_ms)} {unit}"


def _two_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
