"""The events that could not be used and windows that could not be tested, over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from flink_jobs.records.alerts import ScoreStatus
from flink_jobs.records.wording import count
from flink_jobs.replay.result import PlacedDeadLetter
from flink_jobs.reports.charts import palette
from flink_jobs.reports.charts.figures import bars, figure
from flink_jobs.reports.streams import StreamView, Windows
from flink_jobs.reports.words import clock

MOST_BINS = 60
MISSING_LEVEL = 0.001


class Strip(NamedTuple):
    """One thing that happened, counted over time.

    Attributes
    ----------
    name : str
    counts : ndarray of int64, shape (n_bins,)
    colour : str
    """

    name: str
    counts: NDArray[np.int64]
    colour: str

    @property
    def total(self) -> int:
        """Over the whole time."""
        return int(self.counts.sum())


class Quality(NamedTuple):
    """All strips over common bins of time."""

    edges_ms: NDArray[np.float64]
    strips: list[Strip]

    @property
    def some(self) -> list[Strip]:
        """The strips that are not empty."""
        return [strip for strip in self.strips if strip.total]

    @property
    def none(self) -> list[str]:
        """The names of the others."""
        return [strip.name for strip in self.strips if not strip.total]


def quality(
    views: Sequence[StreamView], letters: Sequence[PlacedDeadLetter], span_ms: tuple[float, float]
) -> Quality:
    """Count over time what is wrong with windows and events."""
    edges = _edges(views, span_ms)
    strips = [_of_windows(name, views, edges, chosen) for name, chosen in _WINDOWS.items()]
    return Quality(edges, [*strips, *_of_letters(letters, edges)])


def _edges(views: Sequence[StreamView], span_ms: tuple[float, float]) -> NDArray[np.float64]:
    """Whole slides of the windows make a bin: otherwise bins would hold one window, or two."""
    begin_ms, end_ms = span_ms
    end_ms = max([end_ms, *(float(view.windows.end_ms.max(initial=0.0)) for view in views)])
    steps = [np.diff(np.unique(view.windows.end_ms)) for view in views]
    every = np.concatenate([np.empty(0), *steps])
    step_ms = float(np.median(every)) if len(every) else 1.0
    width_ms = -(-(end_ms - begin_ms) // (MOST_BINS * step_ms)) * step_ms or 1.0
    first = begin_ms // width_ms
    n_bins = int(end_ms // width_ms - first) + 1
    return (first + np.arange(n_bins + 1)) * width_ms


def chart(seen: Quality) -> Figure:
    """One small axis for each strip, one under the other."""
    middles = (seen.edges_ms[:-1] + seen.edges_ms[1:]) / 2
    strips, height = seen.some, 1 / max(1, len(seen.some))
    traces, axes, notes = [], {}, []
    for place, strip in enumerate(strips):
        axis, high = str(place + 1) if place else "", 1 - place * height
        traces.append(
            bars(
                x=middles,
                y=strip.counts,
                yaxis=f"y{axis}",
                marker={"color": strip.colour},
                hovertemplate=f"%{{x|%Y-%m-%d %H:%M}}: %{{y:,}}<extra>{strip.name}</extra>",
            )
        )
        axes[f"yaxis{axis}"] = {
            "domain": [high - 0.66 * height, high - 0.1 * height],
            "rangemode": "tozero",
            "nticks": 3,
            "anchor": "x",
        }
        notes.append(
            {
                "text": f"{strip.name}: {strip.total:,}",
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": high,
                "yref": "paper",
                "yanchor": "middle",
                "showarrow": False,
            }
        )
    return figure(
        traces,
        **axes,
        annotations=notes,
        height=44 + 72 * len(strips),
        xaxis={
            "type": "date",
            "range": [float(seen.edges_ms[0]), float(seen.edges_ms[-1])],
            "anchor": f"y{len(strips)}" if len(strips) > 1 else "y",
        },
    )


def table(seen: Quality) -> list[tuple[str, ...]]:
    """The stretches of time in which something happened, with a column for each strip."""
    strips = seen.some
    rows = []
    for place in range(len(seen.edges_ms) - 1):
        counts = [int(strip.counts[place]) for strip in strips]
        if any(counts):
            rows.append((clock(seen.edges_ms[place]), *(f"{each:,}" for each in counts)))
    return rows


def first_examples(
    letters: Sequence[PlacedDeadLetter], most: int = 3
) -> dict[str, list[PlacedDeadLetter]]:
    """The first dead letters of each reason."""
    examples: dict[str, list[PlacedDeadLetter]] = defaultdict(list)
    for letter in letters:
        if len(examples[letter.reason]) < most:
            examples[letter.reason].append(letter)
    return dict(examples)


def dead_letter_words(by_reason: dict[str, int], n_events: int) -> str:
    """How many events could not be used."""
    total = sum(by_reason.values())
    if not total:
        return "none"
    return f"{total:,} of {count(n_events, 'event')} ({100 * total / max(1, n_events):.2g} %)"


def _too_few(windows: Windows) -> NDArray[np.bool_]:
    return windows.has_status(ScoreStatus.TOO_FEW_EVENTS)


def _no_reference(windows: Windows) -> NDArray[np.bool_]:
    return windows.has_status(ScoreStatus.NO_REFERENCE)


def _failed(windows: Windows) -> NDArray[np.bool_]:
    return windows.has_status(ScoreStatus.FAILED)


def _sampled(windows: Windows) -> NDArray[np.bool_]:
    return np.asarray(windows.is_tested & (windows.n_tested < windows.n_events))


def _early(windows: Windows) -> NDArray[np.bool_]:
    return np.asarray(windows.closed_early > 0)


def _missing(windows: Windows) -> NDArray[np.bool_]:
    return np.asarray(windows.missing_p_value <= MISSING_LEVEL)


_WINDOWS: dict[str, Callable[[Windows], NDArray[np.bool_]]] = {
    "windows tested": lambda windows: windows.is_tested,
    "windows with too few events": _too_few,
    "windows without a reference": _no_reference,
    "windows whose test failed": _failed,
    "windows tested on a sample": _sampled,
    "windows tested early": _early,
    "windows whose share of missing values changed": _missing,
}


def _of_windows(
    name: str,
    views: Sequence[StreamView],
    edges: NDArray[np.float64],
    chosen: Callable[[Windows], NDArray[np.bool_]],
) -> Strip:
    ends = [view.windows.end_ms[chosen(view.windows)] for view in views]
    counts = _counted(np.concatenate([np.empty(0), *ends]), edges)
    is_good = name == "windows tested"
    return Strip(name, counts, palette.STATISTIC_COLOUR if is_good else palette.ONGOING_COLOUR)


def _of_letters(letters: Sequence[PlacedDeadLetter], edges: NDArray[np.float64]) -> Iterator[Strip]:
    late = [x.event_time_ms for x in letters if x.reason.startswith("late")]
    others = [x.event_time_ms for x in letters if not x.reason.startswith("late")]
    for name, times in (("late events", late), ("other dead letters", others)):
        yield Strip(name, _counted(np.array(times, dtype=np.float64), edges), palette.DRIFT_COLOUR)


def _counted(times: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count by bins; times outside count at the edges, and a window's end belongs to it."""
    inside = np.clip(times, edges[0], np.nextafter(edges[-1], 0))
    return np.asarray(np.histogram(inside, edges)[0])
