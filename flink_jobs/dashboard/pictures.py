"""Pictures of the live page, drawn by the charts of the reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flink_jobs.dashboard.model import Model
from flink_jobs.dashboard.picture import Picture
from flink_jobs.records.alerts import ScoreStatus
from flink_jobs.reports.charts import calendar, overview, palette, timeline
from flink_jobs.reports.streams import STATUSES, StreamView, Windows
from flink_jobs.reports.words import clock, number

MOST_MODELS = 1_000
"""In one picture; those beyond are the best."""
_N_COLUMNS = 600
_N_LISTED = 20
_OF_A_WINDOW = (
    *("Window ends (UTC)", "Result", "Statistic", "Threshold"),
    *("p-value", "Effect size", "Events"),
)


def over_time(view: StreamView) -> Picture:
    """Draw the windows and alerts of a detector as a report does, and list the last windows."""
    windows = view.windows
    span_ms = float(windows.start_ms.min()), float(windows.end_ms.max())
    drawn = timeline.timeline(view, [], span_ms, n_columns=_N_COLUMNS)
    words = f"Timeline: {timeline.sentence(view)}"
    return Picture(words, drawn, _OF_A_WINDOW, list(_last_of(windows)))


def overview_rows(models: Sequence[Model]) -> list[overview.Row]:
    """Copy what the picture of all models shows, the worst first; the caller holds the lock."""
    ranked = sorted(models, key=lambda model: (model.rank, model.name))[:MOST_MODELS]
    return [overview.Row.of(each.name, str(each.number), each.streams()) for each in ranked]


def of_all_models(rows: Sequence[overview.Row]) -> Picture:
    """Draw the windows of all models that are kept."""
    seen = overview.Overview(rows)
    columns = ("Model", "Of its time drift", "Incidents began (UTC)")
    return Picture(seen.sentence, seen.figure(), columns, seen.table())


def by_hour(windows: Windows) -> Picture | None:
    """Draw the windows of a detector by day and hour; None for few days or one hour."""
    drawn = calendar.of_windows(windows)
    if drawn is None:
        return None
    columns = ("Day (UTC)", "Windows", "Drift", "Hours with drift")
    return Picture(calendar.sentence(drawn), calendar.chart(drawn), columns, calendar.table(drawn))


def _last_of(windows: Windows) -> Iterator[tuple[str, ...]]:
    """Give a row for each of the last windows, the newest first."""
    for place in reversed(range(max(0, len(windows) - _N_LISTED), len(windows))):
        status = STATUSES[int(windows.status[place])]
        result = "▲ drift" if windows.is_drift[place] else "no drift"
        if status is not ScoreStatus.TESTED:
            result = f"× {palette.NOT_TESTED[status].name}"
        yield (
            clock(windows.end_ms[place]),
            result,
            number(windows.statistic[place]),
            number(windows.threshold[place]),
            number(windows.p_value[place], 2),
            number(windows.effect_size[place], 2),
            f"{windows.n_events[place]:,.0f}",
        )
