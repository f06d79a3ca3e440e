"""The alerts of a backtest as the stage that decides over many models lets them go on.

Processes of a backtest have some models each. What needs all of them comes after: their alerts are
put in the order of event time, and handed to the same class that the job runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.decisions import Decisions
from flink_jobs.core.many_models.stage import ManyModels, lag_ms
from flink_jobs.core.state.model_state import LiveEntries
from flink_jobs.records.alerts import Alert, ScoreStatus, StormSummary, WindowSummary
from flink_jobs.replay.driver import Tally
from flink_jobs.replay.result import ModelSummary
from flink_jobs.replay.sorted_records import Segment, Spool


class Decided(NamedTuple):
    """The alerts of a backtest that go on.

    Attributes
    ----------
    segments : list of Segment
    n_alerts, n_held_back : int
    tallies : mapping of str to Tally
        Of the alerts of each model that go on.
    storms : dict of str to StormSummary
        The last word on each.
    """

    segments: list[Segment]
    n_alerts: int
    n_held_back: int
    tallies: defaultdict[str, Tally]
    storms: dict[str, StormSummary]

    def summary(self, model: str, of_raised: ModelSummary) -> ModelSummary:
        """Count, of a model's alerts, those that go on."""
        tally = self.tallies[model]
        return msgspec.structs.replace(
            of_raised, n_alerts=tally.n_alerts, n_started=tally.n_started
        )


def decide_over_models(
    config: DriftJobConfig,
    segments: Sequence[Segment],
    scores: Sequence[Segment],
    folder: Path,
) -> Decided:
    """Hand the alerts of all models to the stage.

    Parameters
    ----------
    config : DriftJobConfig
        With a table ``storm`` or ``false_discoveries``.
    segments, scores : sequence of Segment
        Their alerts and scores.
    folder : Path
        For files that are needed meanwhile.
    """
    stage, before_ms = ManyModels(config, LiveEntries()), lag_ms(config) - 1
    if config.false_discoveries is not None:
        for closed_ms, n_tested in sorted(_tests(scores).items()):
            stage.take_tests(closed_ms, n_tested)
    with closing(Spool[Alert](folder / "decided.spool")) as spool:
        taken = _Taken(spool)
        for alert in _by_time(segments):
            stage.take(alert)
            taken.add(stage.advance(alert.window.closed_ms + before_ms))
        taken.add(stage.end())
        n_alerts = len(spool)
        decided = spool.sort(folder / "decided.sorted")
    return Decided(decided, n_alerts, taken.n_held_back, taken.tallies, taken.storms)


class _Taken:
    def __init__(self, spool: Spool[Alert]) -> None:
        self._spool = spool
        self.n_held_back = 0
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self.storms: dict[str, StormSummary] = {}

    def add(self, decisions: Decisions) -> None:
        self._spool.write(decisions.alerts)
        counts = decisions.counts
        self.n_held_back += counts.in_storms + counts.no_discoveries
        for alert in decisions.alerts:
            self.tallies[alert.model].add_alerts([alert])
            if alert.storm is not None:
                self.storms[alert.incident_id] = alert.storm


class _Test(Struct):
    """The part of a score that counts."""

    status: ScoreStatus
    window: WindowSummary


def _tests(segments: Sequence[Segment]) -> Counter[int]:
    """Count the windows that were tested, by the time of their test."""
    decode, found = msgspec.json.Decoder(_Test).decode, Counter[int]()
    for segment in segments:
        with segment.path.open("rb") as lines:
            lines.seek(segment.start)
            while lines.tell() < segment.end:
                test = decode(lines.readline())
                if test.status is ScoreStatus.TESTED:
                    found[test.window.closed_ms] += 1
    return found


class _Line(NamedTuple):
    closed_ms: int
    number: int
    path: Path
    start: int


def _by_time(segments: Sequence[Segment]) -> Iterator[Alert]:
    """Read alerts in the order of time; those of one detector keep theirs."""
    decode = msgspec.json.Decoder(Alert).decode
    with ExitStack() as stack:
        files = {s.path: stack.enter_context(s.path.open("rb")) for s in segments}
        lines: list[_Line] = []
        for segment in segments:
            file, start = files[segment.path], segment.start
            file.seek(start)
            while start < segment.end:
                line = file.readline()
                at_ms = decode(line).window.closed_ms
                lines.append(_Line(at_ms, len(lines), segment.path, start))
                start += len(line)
        for line_at in sorted(lines, key=lambda each: each[:2]):
            file = files[line_at.path]
            file.seek(line_at.start)
            yield decode(file.readline())
