"""Draws a comparison: delay against false alarms, as HTML that needs no network and as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from flink_jobs.evaluation.compare.compare import Comparison, Outcome
from flink_jobs.records.shown import shown_html, shown_in_plot
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.plots import PLOT_CONFIG
from flink_jobs.reports.compare_text import HEADER, table_rows
from flink_jobs.times import duration, unit_of

_TITLE = "Delay against false alarms"
_X_TITLE = "false alarms"


@dataclass(frozen=True)
class _Look:
    """How one group of configurations looks; symbol and marker are the two libraries' names."""

    name: str
    symbol: str
    marker: str
    colour: str
    size: int


_CHOSEN = _Look("chosen", "star", "*", palette.DRIFT_COLOUR, 20)
_EFFICIENT = _Look("efficient", "diamond", "D", palette.STATISTIC_COLOUR, 11)
_OTHER = _Look("beaten by another", "circle-open", "o", palette.THRESHOLD_COLOUR, 9)
_LOOKS = (_OTHER, _EFFICIENT, _CHOSEN)

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; color: #222; margin: 1rem auto; max-width: 70rem;
       padding: 0 1rem; box-sizing: border-box; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }}
th[scope=row], th:first-child {{ text-align: left; }}
caption {{ text-align: left; font-weight: bold; padding: .5rem 0; }}
</style>
</head>
<body>
<main>
{plot}
<div class="wide" tabindex="0" role="region" aria-label="Table of the configurations">
<table>
<caption>The configurations</caption>
{table}
</table>
</div>
</main>
</body>
</html>
"""


def write_html(comparison: Comparison, chosen: Outcome | None, path: Path) -> None:
    """Draw the comparison with plotly over its table; details appear where the pointer is."""
    plot = _figure(comparison, chosen).to_html(
        full_html=False, include_plotlyjs=True, config=PLOT_CONFIG
    )
    page = _PAGE.format(title=_TITLE, plot=plot, table=_table(comparison, chosen))
    path.write_text(page, encoding="utf-8")


def _figure(comparison: Comparison, chosen: Outcome | None) -> go.Figure:
    scale_ms, unit = unit_of(_largest_delay_ms(comparison))
    figure, names = go.Figure(), _names(comparison, chosen)
    most = _most_false_alarms(comparison)
    for look, outcomes in _groups(comparison, chosen):
        figure.add_scatter(
            x=[outcome.figures.detector.n_false_alarms for outcome in outcomes],
            y=[_delay_ms(outcome, comparison) / scale_ms for outcome in outcomes],
            name=look.name,
            mode="markers" if look is _OTHER else "markers+text",
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
    # From 0 on, but not through the points that lie there.
    figure.update_xaxes(title_text=_X_TITLE, range=[-0.02 * most, 1.05 * most])
    figure.update_yaxes(title_text=_y_title(unit), range=[0, _top_ms(comparison) / scale_ms])
    return figure.update_layout(
        title={"text": f"<b>{_TITLE}</b>", "subtitle": {"text": _note(comparison)}},
        template="plotly_white",
        height=560,
        legend={"orientation": "h", "y": -0.2},
    )


def write_png(comparison: Comparison, chosen: Outcome | None, path: Path) -> None:
    """Draw the comparison with matplotlib."""
    scale_ms, unit = unit_of(_largest_delay_ms(comparison))
    figure = Figure(figsize=(9, 6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axis, names = figure.subplots(), _names(comparison, chosen)
    most = _most_false_alarms(comparison)
    for look, outcomes in _groups(comparison, chosen):
        x = [outcome.figures.detector.n_false_alarms for outcome in outcomes]
        y = [_delay_ms(outcome, comparison) / scale_ms for outcome in outcomes]
        face = "none" if look is _OTHER else look.colour
        axis.scatter(
            x,
            y,
            s=look.size**2,
            marker=look.marker,
            facecolors=face,
            edgecolors=look.colour,
            label=look.name,
            clip_on=False,
            zorder=3,
        )
        for outcome, *at in zip(outcomes, x, y, strict=True):
            _write_name(axis, names.get(outcome.label, ""), at, _side(outcome, most), look.colour)
    axis.set(xlabel=_X_TITLE, ylabel=_y_title(unit), xlim=(0, 1.05 * most))
    axis.set_ylim(0, _top_ms(comparison) / scale_ms)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_title(_TITLE, loc="left", fontweight="bold", pad=24)
    axis.text(0, 1.02, _note(comparison), transform=axis.transAxes, fontsize=9, color="#555555")
    axis.grid(color="#E4E4E4", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    # Beside the title, where no configuration can lie under it.
    axis.legend(frameon=False, ncols=len(_LOOKS), loc="lower right", bbox_to_anchor=(1, 1.04))
    figure.savefig(path)


def _write_name(axis: Axes, name: str, at: Sequence[float], side: str, colour: str) -> None:
    """Write a name beside a point, over the grid and under other points."""
    axis.annotate(
        shown_in_plot(name),
        (at[0], at[1]),
        xytext=(10 if side == "right" else -10, 6),
        textcoords="offset points",
        ha="left" if side == "right" else "right",
        fontsize=9,
        color=colour,
        path_effects=[withStroke(linewidth=3, foreground="white")],
        zorder=2.5,
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


def _y_title(unit: str) -> str:
    return f"mean delay of the drifts that were found ({unit})"


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


def _table(comparison: Comparison, chosen: Outcome | None) -> str:
    """The content of the plot, and more, for people who read it or hear it."""
    looks = {o.label: look.name for look, group in _groups(comparison, chosen) for o in group}
    lines = ["<tr>", *(f'<th scope="col">{shown_html(name)}</th>' for name in HEADER)]
    lines.append('<th scope="col">is</th></tr>')
    for row in table_rows(comparison.outcomes):
        cells = "".join(f"<td>{shown_html(cell)}</td>" for cell in (*row[1:], looks[row[0]]))
        lines.append(f'<tr><th scope="row">{shown_html(row[0])}</th>{cells}</tr>')
    return "\n".join(lines)
