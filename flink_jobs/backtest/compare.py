"""Runs a backtest for every combination of a grid, compares them and chooses one.

A folder holds what was run: ``runs/<config_version>`` is the backtest of one configuration. What is
there is not run again, so a comparison that was interrupted goes on where it ended.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from flink_jobs.backtest.compare_grid import Combination, Grid, Refused, combinations
from flink_jobs.backtest.engine import run_backtest
from flink_jobs.backtest.errors import BacktestError
from flink_jobs.backtest.evaluation import Beside, evaluate_result
from flink_jobs.backtest.result import SUMMARY_FILE, BacktestResult
from flink_jobs.backtest.shift_table import Shift
from flink_jobs.backtest.truth import DriftInterval
from flink_jobs.config.job import DriftJobConfig, config_version

INPUT_FILE = "input.json"
RUNS_FOLDER = "runs"


class Progress(NamedTuple):
    """``n_done`` of ``n_total`` configurations are done, counting part of the one that runs.

    ``label`` is what runs or comes next; empty at the end.
    """

    n_done: float
    n_total: int
    label: str


class Outcome(Struct, frozen=True, kw_only=True):
    """What one configuration did.

    Attributes
    ----------
    label : str
    config : DriftJobConfig
    folder : Path
        Of its :class:`~flink_jobs.backtest.result.BacktestResult`.
    figures : Beside
        Over all models and detectors.
    events_per_s : float
    is_efficient : bool
        Whether no other configuration is better in missed drifts, mean delay or false alarms and as
        good in the other two.
    """

    label: str
    config: DriftJobConfig
    folder: Path
    figures: Beside
    events_per_s: float
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
    source: str | Path,
    truth: Sequence[DriftInterval],
    *,
    folder: Path,
    shifts: Sequence[Shift] = (),
    tolerance_ms: int = 0,
    processes: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Comparison:
    """Run what is missing, one configuration after the other, and compare all.

    Parameters
    ----------
    config : DriftJobConfig
        What the grid's changes are made to.
    grid : Grid
    source : str or Path
        As :func:`~flink_jobs.backtest.engine.run_backtest` takes it.
    truth : sequence of DriftInterval
        With ``shifts`` those of :func:`~flink_jobs.backtest.simulator.truth_of` belong here.
    folder : Path
        Made where it is missing.
    shifts : sequence of Shift
        Simulated in every run.
    tolerance_ms : int
        See :func:`~flink_jobs.backtest.evaluation.evaluate`.
    processes : int, optional
        Of each run; all cores by default.
    on_progress : callable
        Told before each run, now and then during it, and at the end.

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
    _claim(folder, source, shifts)
    # Where nothing runs, which models there are is not known.
    outcomes, unmatched = [], list[DriftInterval]()
    for place, each in enumerate(to_run):

        def tell(part: float, start: int = place, label: str = each.label) -> None:
            on_progress(Progress(start + part, len(to_run), label))

        tell(0)
        result = _result(each.config, source, folder, shifts, processes, tell)
        evaluation = evaluate_result(result, truth, tolerance_ms=tolerance_ms)
        unmatched = evaluation.unmatched
        outcomes.append(_outcome(each, result, evaluation.total))
    on_progress(Progress(len(to_run), len(to_run), ""))
    return Comparison(
        outcomes=with_efficient(outcomes),
        refused=[each for each in tried if isinstance(each, Refused)],
        unmatched=unmatched,
        tolerance_ms=tolerance_ms,
    )


def with_efficient(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes with ``is_efficient`` as it is among them."""
    costs = [_costs(outcome) for outcome in outcomes]
    return [
        msgspec.structs.replace(
            outcome, is_efficient=not any(_is_better(other, mine) for other in costs)
        )
        for outcome, mine in zip(outcomes, costs, strict=True)
    ]


def choose(outcomes: Sequence[Outcome], *, max_false_alarms: int = 0) -> Outcome:
    """Of those with few enough false alarms the one that misses least, then the quickest.

    Quick is the mean delay of the drifts that were found; of equals the one with fewer false
    alarms, then the first.

    Raises
    ------
    BacktestError
        When none has few enough.
    """
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


def _result(
    config: DriftJobConfig,
    source: str | Path,
    folder: Path,
    shifts: Sequence[Shift],
    processes: int | None,
    tell: Callable[[float], None],
) -> BacktestResult:
    place = folder / RUNS_FOLDER / config_version(config)
    found = _finished(place)
    # The version says nothing of overrides and columns; the folder does not hold properties.
    if found is not None and _shown(found.config) == _shown(config):
        return found
    return run_backtest(
        config,
        source,
        folder=place,
        processes=processes,
        progress=lambda step: tell(step.done / step.total if step.total else 0.0),
        shifts=shifts,
    )


def _finished(place: Path) -> BacktestResult | None:
    try:
        return BacktestResult.open(place)
    except BacktestError:
        return None


def _shown(config: DriftJobConfig) -> DriftJobConfig:
    kafka = msgspec.structs.replace(config.kafka, properties={})
    return msgspec.structs.replace(config, kafka=kafka)


def _outcome(combination: Combination, result: BacktestResult, figures: Beside) -> Outcome:
    summary = result.summary
    return Outcome(
        label=combination.label,
        config=combination.config,
        folder=result.folder,
        figures=figures,
        events_per_s=summary.n_events / summary.duration_s if summary.duration_s else 0.0,
    )


def _costs(outcome: Outcome) -> tuple[float, float, float]:
    found = outcome.figures.detector
    delay_ms = math.inf if found.mean_delay_ms is None else found.mean_delay_ms
    return found.n_missed, delay_ms, found.n_false_alarms


def _is_better(other: tuple[float, ...], mine: tuple[float, ...]) -> bool:
    return other != mine and all(a <= b for a, b in zip(other, mine, strict=True))


def _claim(folder: Path, source: str | Path, shifts: Sequence[Shift]) -> None:
    """Write down what the runs in this folder are about, or check that it is the same."""
    claim = msgspec.json.encode({"source": str(source), "digest": _digest(source, shifts)})
    path = folder / INPUT_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(each.name for each in folder.iterdir())
        # Results are written beside it: the job.toml of somebody else would be lost.
        if others and INPUT_FILE not in others:
            raise BacktestError(
                f"{folder} holds something else ({others[0]}): name a folder of its own"
            )
        # Without a run nothing is lost, as after a mistyped path.
        is_used = any(folder.glob(f"{RUNS_FOLDER}/*/{SUMMARY_FILE}"))
        if is_used and path.read_bytes() != claim:
            raise BacktestError(
                f"{folder} holds a comparison over another input, other shifts, or an input that "
                "has changed since: choose another folder, or remove it"
            )
        path.write_bytes(claim)
    except OSError as error:
        raise BacktestError(f"{folder} cannot be written: {error.strerror}") from error


def _digest(source: str | Path, shifts: Sequence[Shift]) -> str:
    """Of the shifts, and of the size and the time of each file; a topic has none."""
    root = Path(source)
    files = sorted(root.rglob("*")) if root.is_dir() else [root] * root.is_file()
    stats = [(str(file), file.stat()) for file in files]
    parts = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(msgspec.json.encode((parts, list(shifts)))).hexdigest()
