"""The verdict of a backtest: a sentence, and a line for each stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from flink_jobs.evaluation.evaluate import Beside, Evaluation, Figures, Stream
from flink_jobs.records.wording import count
from flink_jobs.reports.charts.overview import Overview, Row
from flink_jobs.reports.streams import StreamView
from flink_jobs.reports.words import clock, number, share
from flink_jobs.times import duration

Tone = Literal["good", "bad", "plain"]
QUIET = "no alarm"
"""The word for a stream that raised no alarm of drift: its model may have fallen silent."""
UNTESTED = "not tested"
"""The word for a stream of which no window was tested."""
SIGNS: dict[Tone, str] = {"good": "✔", "bad": "✘", "plain": "▲"}


class Line(NamedTuple):
    """One stream of the verdict.

    Attributes
    ----------
    name : str
        The model, with what watches it where that has a name of its own.
    place : int
        Of the stream in the page.
    tone : str
    word : str
    cells : list of str
        In the order of :data:`TRUTH_COLUMNS` or :data:`ALERT_COLUMNS`.
    """

    name: str
    place: int
    tone: Tone
    word: str
    cells: list[str]


TRUTH_COLUMNS = (
    "drifts found",
    "false alarms",
    "delay",
    "other alerts",
    "every n windows",
    "always",
)
ALERT_COLUMNS = ("incidents", "windows that drift", "first alert", "other alerts")
TOTAL_COLUMNS = (
    "drifts found",
    "false alarms",
    "precision",
    "recall",
    "F1",
    "mean delay",
    "time between false alarms (95 %)",
)


def headline(evaluation: Evaluation | None, views: Sequence[StreamView]) -> tuple[Tone, str]:
    """The verdict in a sentence."""
    of = len({view.model for view in views})
    if not any(view.windows.is_tested.any() for view in views):
        return "bad", "No window was tested" + (f" of {count(of, 'model')}" if of else "")
    if evaluation is None:
        n = sum(len(view.started) for view in views)
        n_models = len({view.model for view in views if view.started})
        if not n:
            tested = len({view.model for view in views if view.windows.is_tested.any()})
            untested = f"; {of - tested:,} were not tested" if tested < of else ""
            return "plain", f"No drift was found in {count(tested, 'model')}{untested}"
        return "plain", f"{count(n, 'incident')} of drift in {n_models} of {count(of, 'model')}"
    figures = evaluation.total.detector
    n_found = figures.n_drifts - figures.n_missed
    found = f"{n_found} of {count(figures.n_drifts, 'true drift')} found"
    if not figures.n_drifts:
        found = "No true drift to find"
    alarms = (
        f"{count(figures.n_false_alarms, 'false alarm')}"
        if figures.n_false_alarms
        else ("no false alarm")
    )
    return ("bad" if figures.n_missed or figures.n_false_alarms else "good"), f"{found}, {alarms}"


def lines(evaluation: Evaluation | None, views: Sequence[StreamView]) -> list[Line]:
    """A line for each stream; what went wrong comes first, then what was found."""
    judged = {} if evaluation is None else evaluation.by_stream
    drawn = []
    for place, view in enumerate(views):
        beside = judged.get(Stream(view.model, view.view, view.detector))
        if beside is None:
            drawn.append(Line(view.name, place, *_by_alerts(view)))
        else:
            drawn.append(Line(view.name, place, *_by_truth(beside, view)))
    order: dict[str, int] = {"bad": 0, "plain": 1, "good": 2}
    return sorted(drawn, key=lambda line: (order[line.tone], line.word == QUIET))


def overview(evaluation: Evaluation | None, views: Sequence[StreamView]) -> Overview:
    """All models in one picture, in the order of :func:`lines`; each leads to its first line."""
    of_model: dict[str, list[StreamView]] = {}
    links: dict[str, str] = {}
    for line in lines(evaluation, views):
        view = views[line.place]
        of_model.setdefault(view.model, []).append(view)
        links.setdefault(view.model, f"m{line.place}")
    return Overview([Row.of(model, links[model], some) for model, some in of_model.items()])


def _tone_and_word(beside: Beside, view: StreamView) -> tuple[Tone, str]:
    """Return one word for what came of a stream."""
    if not view.windows.is_tested.any():
        return "bad", UNTESTED
    figures = beside.detector
    if figures.n_missed:
        return "bad", "missed" if figures.n_missed == figures.n_drifts else "partly missed"
    if figures.n_false_alarms:
        return "bad", "false alarm" if figures.n_false_alarms == 1 else "false alarms"
    return "good", "found" if figures.n_drifts else QUIET


def _by_truth(beside: Beside, view: StreamView) -> tuple[Tone, str, list[str]]:
    figures = beside.detector
    tone, word = _tone_and_word(beside, view)
    cells = [
        _found(figures),
        str(figures.n_false_alarms),
        duration(figures.mean_delay_ms),
        _others(view),
        _short(beside.every_n_windows) if figures.n_alarms else QUIET,
        _short(beside.always),
    ]
    return tone, word, cells


def _by_alerts(view: StreamView) -> tuple[Tone, str, list[str]]:
    n, windows = len(view.started), view.windows
    first = clock(view.started[0].window.closed_ms) if n else "–"
    n_tested = int(windows.is_tested.sum())
    drifting = f"{int(windows.is_drift.sum()):,} of {n_tested:,}"
    cells = [str(n), drifting if n_tested else "none tested", first, _others(view)]
    if not n_tested:
        return "bad", UNTESTED, cells
    return "plain", "drift" if n else QUIET, cells


def _others(view: StreamView) -> str:
    causes = {alert.cause.replace("_", " ") for alert in view.alerts}
    return ", ".join(sorted(causes - {"drift"})) or "none"


def _found(figures: Figures) -> str:
    if not figures.n_drifts:
        return "none to find"
    return f"{figures.n_drifts - figures.n_missed} of {figures.n_drifts}"


def _short(figures: Figures) -> str:
    found = f"{_found(figures)}, " if figures.n_drifts else ""
    return f"{found}{figures.n_false_alarms} false"


def totals(evaluation: Evaluation) -> Iterator[tuple[str, list[str]]]:
    """The figures of all streams, with those of trivial baselines below."""
    total = evaluation.total
    named = {
        "this configuration": total.detector,
        "an alarm every n windows": total.every_n_windows,
        "always alarm": total.always,
        "never alarm": total.never,
    }
    for name, figures in named.items():
        low, high = figures.time_between_false_alarms_interval_ms()
        between = duration(figures.mean_time_between_false_alarms_ms)
        reach = f"{duration(low)} to {duration(high)}" if high else f"at least {duration(low)}"
        yield (
            name,
            [
                _found(figures),
                str(figures.n_false_alarms),
                share(figures.precision),
                share(figures.recall),
                number(figures.f1),
                duration(figures.mean_delay_ms),
                f"{between} ({reach})" if figures.n_false_alarms else reach,
            ],
        )
