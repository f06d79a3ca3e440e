"""Times the entries of a row in turn, round by round, and compares what they gave."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from scripts.bench.detectors.agreement import Value
from scripts.bench.detectors.rows import Comparison, Entry, Row
from scripts.bench.detectors.worker import Worker
from scripts.bench.harness import Spread, in_turn, ratios


@dataclass(frozen=True)
class Timing:
    """Times and values of one entry in all rounds but the first, which warms up.

    Attributes
    ----------
    seconds : list of float
        Per event where the row has events, else per call; one for each round.
    values : list of dict
        What the calls gave.
    """

    seconds: list[float]
    values: list[Value]


@dataclass(frozen=True)
class RowResult:
    """A measured row.

    Attributes
    ----------
    timings : dict
        By label of the entry; without those whose peer could not be installed.
    disagreements : list of str
        What was not equal: no ratio of this row counts unless it is empty.
    load : tuple of float
        The machine's load average of one minute before and after.
    """

    row: Row
    timings: dict[str, Timing]
    disagreements: list[str]
    load: tuple[float, float]

    def ratios(self, comparison: Comparison) -> Spread | None:
        """Divide the slower by the faster, round by round; None where it would say nothing."""
        slower, faster = (self.timings.get(x) for x in (comparison.slower, comparison.faster))
        if self.disagreements or slower is None or faster is None:
            return None
        return ratios(slower.seconds, faster.seconds)


def measure(row: Row, workers: Mapping[str, Worker], n_rounds: int) -> RowResult:
    """Time the entries of ``row``: the first entry, the second, ..., and all over again.

    Parameters
    ----------
    workers : mapping
        Running workers by name of the peer; entries of other peers are left out.
    n_rounds : int
        Timed rounds, after one that is thrown away.
    """
    before = os.getloadavg()[0]
    info: dict[str, Value] = {}
    entries = [entry for entry in row.entries if _prepare(entry, row, workers, info)]
    calls = {e.label: partial(workers[e.peer.name].run, _key(row, e)) for e in entries}
    answers = in_turn(calls, n_rounds, n_warm_up=1)
    timings = {label: _timing(row, each) for label, each in answers.items()}
    return RowResult(row, timings, disagreements(row, timings), (before, os.getloadavg()[0]))


def _timing(row: Row, answers: Sequence[Value]) -> Timing:
    seconds = [answer["seconds"] / row.n_events for answer in answers]
    return Timing(seconds, [answer["value"] for answer in answers])


def disagreements(row: Row, timings: Mapping[str, Timing]) -> list[str]:
    """List what the checks of a row's comparisons object to."""
    found = []
    for comparison in row.comparisons:
        if comparison.faster in timings and comparison.slower in timings:
            ours, theirs = timings[comparison.faster], timings[comparison.slower]
            for check in comparison.checks:
                found += [
                    f"{comparison.faster} and {comparison.slower}: {objection}"
                    for objection in check(ours.values, theirs.values)
                ]
    return found


def _prepare(entry: Entry, row: Row, workers: Mapping[str, Worker], info: dict[str, Value]) -> bool:
    """Have the entry built; False where its peer, or the one that it needs, is not there."""
    if entry.peer.name not in workers or (entry.info_from and entry.info_from not in info):
        return False
    parameters = entry.parameters | (info[entry.info_from] if entry.info_from else {})
    worker = workers[entry.peer.name]
    info[entry.label] = worker.prepare(_key(row, entry), entry.case, parameters)
    return True


def _key(row: Row, entry: Entry) -> str:
    return f"{row.name}: {entry.label}"
