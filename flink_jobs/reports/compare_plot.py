"""Draws a comparison: delay against false alarms, as a page that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from plotly.graph_objects import Figure, Scatter

from flink_jobs.evaluation.compare.compare import Comparison, Outcome
from flink_jobs.records.shown import shown_html
from flink_jobs.reports import pages
from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.compare_text import HEADER, table_rows
from flink_jobs.times import duration, unit_of

_TITLE = "Delay against false alarms"
_HEIGHT_PX = 520


class _Look(NamedTuple):
    """How one group of configurations looks."""

    name: str
    symbol: str
    sign: str
    colour: str
    size: int


_CHOSEN = _Look("chosen", "star", "★", palette.DRIFT_COLOUR, 20)
_EFFICIENT = _Look("efficient", "diamond", "◆", palette.STATISTIC_COLOUR, 11)
_OTHER = _Look("beaten by another", "circle-open", "○", palette.THRESHOLD_COLOUR, 9)
_LOOKS = (_OTHER, _EFFICIENT, _CHOSEN)


def write_html(comparison: Comparison, chosen: Outcome | None, path: Path) -> None:
    """Draw the comparison over its table; details appear where the pointer is."""
    groups = _groups(comparison, chosen)
    looks = {each.label: look.name for look, group in groups for each in group}
    rows = table_rows(comparison.outcomes)
    panel = pages.Panel(
        heading="The configurations",
        words=f"{_TITLE}: {_note(comparison)}; the table below has the numbers",
        drawn=figure(comparison, chosen),
        columns=(*HEADER, "is"),
        rows=[(*row, looks[row[0]]) for row in rows],
        legend=[(look.sign, look.name, look.colour) for look, _ in groups],
        is_open=True,
    )
    pages.write(pages.pictures(_TITLE, [_note(comparison)], [panel]), path)


def figure(comparison: Comparison, chosen: Outcome | None) -> Figure:
    """Draw a point for each configuration; those that are worth a choice have their names."""
    scale_ms, unit = unit_of(_largest_delay_ms(comparison))
    names, most = _names(comparison, chosen), _most_false_alarms(comparison)
    return figures.figure(
        [
            _points(look, outcomes, comparison, names)
            for look, outcomes in _groups(comparison, chosen)
        ],
        height=_HEIGHT_PX,
        # From 0 on, but not through the points that lie there.
        xaxis={"title": {"text": "false alarms"}, "range": [-0.02 * most, 1.05 * most]},
        yaxis={
            "title": {"text": f"mean delay of the drifts that were found ({unit})"},
            "range": [0, _top_ms(comparison) / scale_ms],
        },
    )


def _points(
    look: _Look, outcomes: Sequence[Outcome], comparison: Comparison, names: dict[str, str]
) -> Scatter:
    scale_ms, _ = unit_of(_largest_delay_ms(comparison))
    most = _most_false_alarms(comparison)
    return figures.points(
        mode="markers" if look is _OTHER else "markers+text",
        x=[outcome.figures.detector.n_false_alarms for outcome in outcomes],
        y=[_delay_ms(outcome, comparison) / scale_ms for outcome in outcomes],
        name=look.name,
        text=[shown_html(names.get(outcome.label, "")) for outcome in outcomes],
        textposition=[f"top {_side(outcome, most)}" for outcome in outcomes],
        cliponaxis=False,
        hovertext=[_hover(outcome) for outcome in outcomes],
        hoverinfo="text",
        marker={
            "symbol": look.symbol,
            "color": look.colour,
            "size": look.size,
            "line": {"width": 2, "color": look.colour},
        },
    )


def _most_false_alarms(comparison: Comparison) -> int:
    """1 at least, so that an axis has a length."""
    return max(1, *(outcome.figures.detector.n_false_alarms for outcome in comparison.outcomes))


def _top_ms(comparison: Comparison) -> float:
    """The end of the axis of delays: with room for a mark and its name above the longest."""
    delays_ms = (_delay_ms(outcome, comparison) for outcome in comparison.outcomes)
    return 1.12 * (max(delays_ms, default=0.0) or 1.0)


def _side(outcome: Outcome, most: int) -> str:
    """On which side of its point a name has room."""
    return "right" if outcome.figures.detector.n_false_alarms <= most / 2 else "left"


def _names(comparison: Comparison, chosen: Outcome | None) -> dict[str, str]:
    """By label, what stands beside a point; of several at one point one, and how many more."""
    at: dict[tuple[int, float], list[Outcome]] = {}
    for look, outcomes in reversed(_groups(comparison, chosen)):
        for outcome in outcomes if look is not _OTHER else ():
            place = outcome.figures.detector.n_false_alarms, _delay_ms(outcome, comparison)
            at.setdefault(place, []).append(outcome)
    return {
        first.label: _named(first) + f" and {len(others):,} more" * bool(others)
        for first, *others in at.values()
    }


def _groups(comparison: Comparison, chosen: Outcome | None) -> list[tuple[_Look, list[Outcome]]]:
    """Each outcome under the look that says most about it; no empty group."""
    groups: dict[_Look, list[Outcome]] = {look: [] for look in _LOOKS}
    for outcome in comparison.outcomes:
        is_chosen = chosen is not None and outcome.label == chosen.label
        look = _CHOSEN if is_chosen else _EFFICIENT if outcome.is_efficient else _OTHER
        groups[look].append(outcome)
    return [(look, outcomes) for look, outcomes in groups.items() if outcomes]


def _largest_delay_ms(comparison: Comparison) -> float:
    delays = (outcome.figures.detector.mean_delay_ms for outcome in comparison.outcomes)
    return max((delay for delay in delays if delay is not None), default=0.0)


def _delay_ms(outcome: Outcome, comparison: Comparison) -> float:
    """The height of a configuration; one that found no drift stands above all others."""
    delay_ms = outcome.figures.detector.mean_delay_ms
    return delay_ms if delay_ms is not None else 1.15 * (_largest_delay_ms(comparison) or 1.0)


def _note(comparison: Comparison) -> str:
    found_none = any(o.figures.detector.mean_delay_ms is None for o in comparison.outcomes)
    counts = {outcome.figures.detector.n_drifts for outcome in comparison.outcomes}
    drifts = " or ".join(f"{count:,}" for count in sorted(counts))
    note = f"{len(comparison.outcomes)} configurations, {drifts or 'no'} drifts"
    return f"{note}; at the top: those that found none" if found_none else note


def _named(outcome: Outcome) -> str:
    """A delay alone would flatter those that miss drifts."""
    found = outcome.figures.detector
    return f"{outcome.label} (misses {found.n_missed})" if found.n_missed else outcome.label


def _hover(outcome: Outcome) -> str:
    found = outcome.figures.detector
    lines = [
        f"<b>{shown_html(outcome.label)}</b>",
        f"missed {found.n_missed} of {found.n_drifts}",
        f"mean delay {duration(found.mean_delay_ms)}",
        f"false alarms {found.n_false_alarms} of {found.n_alarms}",
    ]
    return "<br>".join(lines)
