"""The drift monitor with panes and timers as on Flink, and counts of what it and others refused."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.actions import Actions
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import LiveEntries
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Alert, AlertKind, Cause, Score, ScoreStatus
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.status import ModelStatus
from flink_jobs.replay.result import MOST_DEAD_LETTERS, ModelSummary
from flink_jobs.replay.sorted_records import Spool

_MOST_NOTICES = 100


@dataclass
class Tally:
    """Counts the records of one model."""

    n_used: int = 0
    n_scores: int = 0
    n_tested: int = 0
    n_drifting: int = 0
    n_alerts: int = 0
    n_started: int = 0
    untested: Counter[str] = field(default_factory=Counter)

    def add_scores(self, scores: list[Score]) -> None:
        """Count scores."""
        self.n_scores += len(scores)
        for score in scores:
            if score.status is ScoreStatus.TESTED:
                self.n_tested += 1
            else:
                self.untested[score.status] += 1
        self.n_drifting += sum(bool(score.is_drift) for score in scores)

    def add_alerts(self, alerts: list[Alert]) -> None:
        """Count alerts."""
        self.n_alerts += len(alerts)
        self.n_started += sum(
            alert.kind is AlertKind.STARTED and alert.cause is Cause.DRIFT for alert in alerts
        )

    def summary(self, n_dead_letters: int) -> ModelSummary:
        """The counts as a result shows them."""
        return ModelSummary(
            n_used=self.n_used,
            n_dead_letters=n_dead_letters,
            n_scores=self.n_scores,
            n_tested=self.n_tested,
            n_drifting=self.n_drifting,
            untested=dict(sorted(self.untested.items())),
            n_alerts=self.n_alerts,
            n_started=self.n_started,
        )


@dataclass
class _Model:
    state: LiveEntries = field(default_factory=LiveEntries)
    tally: Tally = field(default_factory=Tally)
    timers_ms: set[int] = field(default_factory=set)
    status: ModelStatus | None = None


class Replay:
    """The monitor with the state and the timers of some models.

    Parameters
    ----------
    config : DriftJobConfig
    artefacts : Artefacts
        What the files that the configuration names hold.
    alerts, scores, evidence : Spool
    dead_letters : DeadLetterLog
        Where what the monitor writes goes.

    Attributes
    ----------
    notices : list of str
        The first things that the monitor had to say.
    n_duplicates : int
    """

    def __init__(
        self,
        config: DriftJobConfig,
        artefacts: Artefacts,
        alerts: Spool[Alert],
        scores: Spool[Score],
        evidence: Spool[Evidence],
        dead_letters: DeadLetterLog,
    ) -> None:
        self._monitor = DriftMonitor(config, artefacts)
        self._alerts = alerts
        self._scores = scores
        self._evidence = evidence
        self._dead_letters = dead_letters
        self._models: dict[str, _Model] = {}
        self._timers: list[tuple[int, str]] = []
        self.references_missing: dict[str, int] = {}
        self.references_unusable = Counter[str]()
        self.notices: list[str] = []
        self.n_duplicates = 0

    @property
    def tallies(self) -> dict[str, Tally]:
        """Of each model that had a pane."""
        return {name: model.tally for name, model in self._models.items()}

    @property
    def statuses(self) -> list[ModelStatus]:
        """How each model is, once the history is over."""
        return [model.status for model in self._models.values() if model.status is not None]

    def take(self, pane: Pane) -> None:
        """Take the next pane of a model."""
        name = pane.model
        model = self._models.setdefault(name, _Model())
        actions = self._monitor.on_pane(pane, model.state)
        model.tally.n_used += actions.counts.used
        self.n_duplicates += pane.n_duplicates
        self._pass_on(name, model, actions)

    def advance(self, watermark_ms: int) -> None:
        """Fire the timers that the watermark has passed, and those they ask for."""
        while self._timers and self._timers[0][0] <= watermark_ms:
            at_ms, name = heapq.heappop(self._timers)
            model = self._models[name]
            model.timers_ms.remove(at_ms)
            self._pass_on(name, model, self._monitor.on_time(name, at_ms, model.state))

    def end(self) -> None:
        """Close the windows that are open: the history is over."""
        for name, model in self._models.items():
            self._pass_on(name, model, self._monitor.on_end(name, model.state))

    def _pass_on(self, name: str, model: _Model, actions: Actions) -> None:
        """Do what the monitor asks for."""
        wake_ms = actions.wake_ms
        if wake_ms is not None and wake_ms not in model.timers_ms:
            model.timers_ms.add(wake_ms)
            heapq.heappush(self._timers, (wake_ms, name))
        if actions.alerts:
            self._alerts.write(actions.alerts)
            model.tally.add_alerts(actions.alerts)
        if actions.scores:
            self._scores.write(actions.scores)
            model.tally.add_scores(actions.scores)
        self._evidence.write(actions.evidence)
        if actions.statuses:
            model.status = actions.statuses[-1]
        self._dead_letters.add(actions.dead_letters)
        self.references_missing[name] = actions.reference_events_missing or 0
        self.references_unusable[name] += actions.counts.references_unusable
        if actions.notices and len(self.notices) < _MOST_NOTICES:
            self.notices += [f"{notice.model}: {notice.text}" for notice in actions.notices]


_place = attrgetter("partition", "offset")


class DeadLetterLog:
    """The number of dead letters by reason and by model, and the first ones of the history.

    First in the history, not first to come: so they are the same for any number of processes.
    """

    def __init__(self) -> None:
        self.n_by_reason: Counter[str] = Counter()
        self.n_by_model: Counter[str] = Counter()
        self._kept: list[DeadLetter] = []

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Take dead letters."""
        for letter in letters:
            self.n_by_reason[letter.reason.value] += 1
            if letter.model is not None:
                self.n_by_model[letter.model] += 1
            self._kept.append(letter)
        if len(self._kept) > 2 * MOST_DEAD_LETTERS:
            self._kept = self.first()

    def first(self) -> list[DeadLetter]:
        """The first of them, in the order of the history."""
        return sorted(self._kept, key=_place)[:MOST_DEAD_LETTERS]
