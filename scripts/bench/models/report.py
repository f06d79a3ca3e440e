"""The page of the benchmark of many models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.bench.harness import NO_GOAL, SPREAD_HEADER, Goal, Spread, page, ratios
from scripts.bench.models.measure import Run
from scripts.bench.models.stream import EVENTS_PER_PANE
from scripts.faults.stream import Stream
from scripts.shared.markdown import table

PACKAGES = ("apache-flink", "kafka-python", "numpy", "scipy")
_RATES = {10_000: Goal(at_least=1_000)}
_COST = Goal(at_most=1.5)
_INTRODUCTION = f"""\
The drift job itself on real Kafka and real Flink, one TaskManager with one slot, everything on one
machine. Each model has {EVENTS_PER_PANE} events in a pane, of 2 features and 3 outputs; BBSDs and
KS, a window a pane, so that every pane after the two of the reference is tested and scored. The
topic is written first. Rates and processor times are those between the first and the last tenth of
the scores; processor time is that of the TaskManager and its Python workers together.

Each event is in a reference or in a test window of every run, none is a dead letter, and all rounds
give the same alerts and scores.
"""


@dataclass(frozen=True)
class Measured:
    """All rounds.

    Attributes
    ----------
    streams : sequence of Stream
        The one with the fewest models first.
    rounds : mapping of str to sequence of Run
        By topic.
    """

    streams: Sequence[Stream]
    rounds: Mapping[str, Sequence[Run]]

    def objections(self) -> list[str]:
        """Say where events are missing, or where rounds differ."""
        wrong = [each for runs in self.rounds.values() for run in runs for each in run.objections]
        for topic, runs in self.rounds.items():
            n_differ = sum(run.records != runs[0].records for run in runs)
            if n_differ:
                wrong.append(f"{topic}: {n_differ} rounds differ from the first")
        return wrong


def report(measured: Measured, n_rounds: int) -> str:
    """Write the whole page."""
    wrong = measured.objections()
    names = [stream.topic for stream in measured.streams]
    parts = [
        _INTRODUCTION,
        table(["panes/s", *SPREAD_HEADER, "goal"], [_rate(measured.rounds[n]) for n in names]),
        "",
        table(["µs of processors a pane", *SPREAD_HEADER], _costs(measured, names)),
        "",
    ]
    if wrong:
        parts += ["**Results are wrong, so that no ratio is given:**", ""]
        parts += [*(f"* {each}" for each in wrong), ""]
    else:
        rows = [_ratio(measured, names[0], name) for name in names[1:]]
        parts += [table(["cost of a pane", *SPREAD_HEADER, "goal"], rows), ""]
    return page("Benchmark of many models", "make bench-models", n_rounds, PACKAGES, parts)


def _label(runs: Sequence[Run]) -> str:
    return f"{runs[0].n_models:,} models"


def _rate(runs: Sequence[Run]) -> list[str]:
    found = Spread.of(run.panes_per_s for run in runs)
    goal = _RATES.get(runs[0].n_models, NO_GOAL)
    return [_label(runs), *found.cells("{:,.0f}".format), goal.verdict(found)]


def _costs(measured: Measured, names: Sequence[str]) -> list[list[str]]:
    rows = []
    for name in names:
        runs = measured.rounds[name]
        for where, values in (
            ("JVM", [run.java_us for run in runs]),
            ("Python", [run.python_us for run in runs]),
        ):
            rows.append([f"{_label(runs)}, {where}", *Spread.of(values).cells("{:,.0f}".format)])
    return rows


def _ratio(measured: Measured, few: str, many: str) -> list[str]:
    ours, base = measured.rounds[many], measured.rounds[few]
    found = ratios([run.cost_us for run in ours], [run.cost_us for run in base])
    label = f"{_label(ours)} / {_label(base)}"
    return [label, *found.cells("{:.2f}".format), _COST.verdict(found)]
