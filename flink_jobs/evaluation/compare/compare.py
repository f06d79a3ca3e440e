"""Runs a backtest for every combination of a grid, compares them and chooses one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.evaluation.compare.grid import Combination, Grid, Refused, combinations
from flink_jobs.evaluation.compare.runs import Progress, Runs
from flink_jobs.evaluation.evaluate import Beside, evaluate_result
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.in_memory import at_hand
from flink_jobs.histories.known_drifts.shift_table import Shift
from flink_jobs.histories.known_drifts.truth import DriftInterval
from flink_jobs.replay.result import BacktestResult
from flink_jobs.replay.result_folder import written_by_one


class Outcome(Struct, frozen=True, kw_only=True):
    """Result of one configuration.

    Attributes
    ----------
    label : str
    config : DriftJobConfig
    folder : Path
        Of its :class:`~flink_jobs.replay.result.BacktestResult`.
    figures : Beside
        Over all models and detectors.
    events_per_s : float
        Of the processes that it had: one, where several configurations ran at a time.
    n_tested : int
        Windows that were tested. Without one it says nothing that it raised no false alarm.
    is_efficient : bool
        Whether windows were tested and no other configuration is better in missed drifts, mean
        delay or false alarms and as good in the other two.
    """

    label: str
    config: DriftJobConfig
    folder: Path
    figures: Beside
    events_per_s: float
    n_tested: int
    is_efficient: bool = False


class Comparison(Struct, frozen=True, kw_only=True):
    """All outcomes in the order of the grid, and the combinations that could not run.

    ``unmatched`` are drifts that concern no model of the history.
    """

    outcomes: list[Outcome]
    refused: list[Refused]
    unmatched: list[DriftInterval]
    tolerance_ms: int


def compare(
    config: DriftJobConfig,
    grid: Grid,
    source: str | Path | Any,
    truth: Sequence[DriftInterval],
    *,
    folder: Path,
    shifts: Sequence[Shift] = (),
    tolerance_ms: int = 0,
    processes: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Comparison:
    """Run what is missing, as many configurations at a time as there are cores, and compare all.

    Parameters
    ----------
    config : DriftJobConfig
        What the grid's changes are made to.
    grid : Grid
    source : str, Path, pyarrow.Table or pandas.DataFrame
        As :func:`~flink_jobs.replay.engine.run_backtest` takes it.
    truth : sequence of DriftInterval
        With ``shifts`` those of
        :func:`~flink_jobs.histories.known_drifts.simulator.truth_of` belong here.
    folder : Path
        Made where it is missing.
    shifts : sequence of Shift
        Simulated in every run.
    tolerance_ms : int
        See :func:`~flink_jobs.evaluation.evaluate.evaluate`.
    processes : int, optional
        All cores by default. Where fewer configurations are to run, they run one after the other,
        each on all of them. With 1 all happens in this process.
    on_progress : callable
        Told now and then, and at the end.

    Returns
    -------
    Comparison

    Raises
    ------
    BacktestError
        When the folder holds something else or runs over another input, or the input cannot be
        read.
    """
    tried = list(combinations(config, grid))
    to_run = [each for each in tried if isinstance(each, Combination)]
    with (
        written_by_one(folder),
        at_hand(source, [each.config for each in to_run] or [config]) as history,
    ):
        runs = Runs(folder, history, shifts)
        runs.run_missing(to_run, processes or len(os.sched_getaffinity(0)), on_progress)
    on_progress(Progress(len(to_run), len(to_run), ""))
    # Where nothing runs, which models there are is not known.
    outcomes, unmatched = [], list[DriftInterval]()
    for each in to_run:
        result = runs.of(each.config)
        evaluation = evaluate_result(result, truth, tolerance_ms=tolerance_ms)
        unmatched = evaluation.unmatched
        outcomes.append(_outcome(each, result, evaluation.total))
    return Comparison(
        outcomes=with_efficient(outcomes),
        refused=[each for each in tried if isinstance(each, Refused)],
        unmatched=unmatched,
        tolerance_ms=tolerance_ms,
    )


def with_efficient(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes with ``is_efficient`` as it is among them."""
    costs = [_costs(outcome) for outcome in outcomes if outcome.n_tested]
    return [
        msgspec.structs.replace(
            outcome,
            is_efficient=outcome.n_tested > 0
            and not any(_is_better(other, _costs(outcome)) for other in costs),
        )
        for outcome in outcomes
    ]


def choose(outcomes: Sequence[Outcome], *, max_false_alarms: int = 0) -> Outcome:
    """Of those with few enough false alarms the one that misses least, then the quickest.

    Quick is the mean delay of the drifts that were found; of equals the one with fewer false
    alarms, then the first. One that tested no window is chosen only where none did.

    Raises
    ------
    BacktestError
        When none has few enough.
    """
    outcomes = [outcome for outcome in outcomes if outcome.n_tested] or outcomes
    allowed = [o for o in outcomes if o.figures.detector.n_false_alarms <= max_false_alarms]
    if allowed:
        return min(allowed, key=_costs)
    if not outcomes:
        raise BacktestError("no combination of the grid can run")
    fewest = min(outcomes, key=lambda outcome: outcome.figures.detector.n_false_alarms)
    raise BacktestError(
        f"none of {len(outcomes)} configurations keeps to {max_false_alarms} false alarms; "
        f"{fewest.label!r} has the fewest, {fewest.figures.detector.n_false_alarms}"
    )


def chosen_by_label(outcomes: Sequence[Outcome], label: str) -> Outcome:
    """The outcome with this label.

    Raises
    ------
    BacktestError
        When there is none.
    """
    for outcome in outcomes:
        if outcome.label == label:
            return outcome
    labels = ", ".join(repr(outcome.label) for outcome in outcomes)
    raise BacktestError(f"no configuration that ran is called {label!r}; there are {labels}")


def _outcome(combination: Combination, result: BacktestResult, figures: Beside) -> Outcome:
    summary = result.summary
    return Outcome(
        label=combination.label,
        config=combination.config,
        folder=result.folder,
        figures=figures,
        n_tested=summary.n_tested,
        events_per_s=summary.n_events / summary.duration_s if summary.duration_s else 0.0,
    )


def _costs(outcome: Outcome) -> tuple[float, float, float]:
    found = outcome.figures.detector
    delay_ms = math.inf if found.mean_delay_ms is None else found.mean_delay_ms
    return found.n_missed, delay_ms, found.n_false_alarms


def _is_better(other: tuple[float, ...], mine: tuple[float, ...]) -> bool:
    return other != mine and all(a <= b for a, b in zip(other, mine, strict=True))
