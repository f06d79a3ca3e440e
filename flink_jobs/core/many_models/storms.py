"""Storms: one alert where many models start incidents of one kind within a short time.

Each ``started`` waits for ``within_ms`` of event time. Then all starts are known that came within
this time after it. A *trait* is common when as many models have it among them as make a storm. The
start belongs to a storm when all that moved is common: its traits, and those of all starts that are
linked to it through common ones, are what the storm is about. All waiting starts that moved nothing
else are held back with it, if they are of enough models; one that moved anything else goes on.

A storm takes further starts in as long as the next comes within ``within_ms`` after the last. It
holds back all alerts of its incidents, one excepted: where an incident goes on with a column that
the storm is not about, it leaves the storm, and that alert goes on as its ``started``. The storm is
over with the last incident that it holds back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from flink_jobs.config.tables.many_models import StormTable
from flink_jobs.core.many_models.decisions import Decisions, as_start
from flink_jobs.core.many_models.kept import KeptAlerts
from flink_jobs.core.many_models.memory import Held, Member, Storm, StormMemory, Waiting
from flink_jobs.core.many_models.moves import Trait, segments_of, traits_of
from flink_jobs.core.many_models.storm_alerts import StormTeller
from flink_jobs.core.parts import earliest
from flink_jobs.records.alerts import Alert, AlertKind, Severity, record_id


class Storms:
    """Finds storms among alerts that come in the order of event time.

    Parameters
    ----------
    table : StormTable
    memory : StormMemory
        Changed in place.
    kept : KeptAlerts
        Where the alerts lie that wait.
    teller : StormTeller
    """

    def __init__(
        self, table: StormTable, memory: StormMemory, kept: KeptAlerts, teller: StormTeller
    ) -> None:
        self._table = table
        self._memory = memory
        self._kept = kept
        self._teller = teller
        self._models_with = _ModelsWith(memory.waiting.values())

    def due_ms(self) -> int | None:
        """Return when something is to be decided if no alert comes; None for never."""
        within_ms, memory = self._table.within_ms, self._memory
        first = next(iter(memory.waiting.values()), None)
        ends_ms = (s.last_ms + within_ms for s in memory.storms.values() if s.takes_in)
        news_ms = (storm.news_ms for storm in memory.storms.values())
        return earliest((None if first is None else first.at_ms + within_ms, *ends_ms, *news_ms))

    def on_time(self, until_ms: int, decisions: Decisions) -> None:
        """Decide what is due; all alerts up to ``until_ms`` have been taken."""
        while (due_ms := self.due_ms()) is not None and due_ms <= until_ms:
            for storm_id, storm in self._memory.storms.items():
                self._look_at(storm_id, storm, due_ms, decisions)
            first = next(iter(self._memory.waiting.values()), None)
            if first is not None and first.at_ms + self._table.within_ms == due_ms:
                self._decide(first, due_ms, decisions)

    def take(self, number: int, at_ms: int, decisions: Decisions) -> None:
        """Take the next alert, which comes no earlier than those before it."""
        alert, memory = self._kept.get(number), self._memory
        if alert.incident_id in memory.held:
            self._follow(number, alert, at_ms, decisions)
        elif alert.incident_id in memory.waiting:
            memory.waiting[alert.incident_id].followers.append(number)
        elif alert.kind is AlertKind.STARTED and (traits := traits_of(alert)):
            self._start(number, alert, traits, at_ms, decisions)
        else:
            decisions.pass_on(self._kept.take(number))

    # Starts -------------------------------------------------------------------------------------

    def _start(
        self,
        number: int,
        alert: Alert,
        traits: frozenset[Trait],
        at_ms: int,
        decisions: Decisions,
    ) -> None:
        waiting = Waiting(
            number, at_ms, alert.model, alert.view, alert.severity, traits, 1 + alert.n_suppressed,
            segments_of(alert),
        )  # fmt: skip
        for storm_id, storm in self._memory.storms.items():
            if storm.takes_in and traits <= storm.traits:
                self._join(storm_id, alert.incident_id, waiting, decisions)
                storm.news_ms = at_ms
                return
        self._memory.waiting[alert.incident_id] = waiting
        self._models_with.add(waiting)

    def _decide(self, first: Waiting, at_ms: int, decisions: Decisions) -> None:
        """Decide about the start that has waited longest."""
        shared = self._shared_with(first)
        ids = [i for i, each in self._memory.waiting.items() if each.traits <= shared]
        if len({self._memory.waiting[i].model for i in ids}) >= self._table.models:
            self._begin(ids, shared, at_ms, decisions)
            return
        waiting = self._no_longer_waiting(next(iter(self._memory.waiting)))
        for number in (waiting.number, *waiting.followers):
            decisions.pass_on(self._kept.take(number))

    def _shared_with(self, first: Waiting) -> frozenset[Trait]:
        """Return what a storm with this start is about; nothing where it is of none."""
        if not self._is_common(first.traits):
            return frozenset()
        shared, rest = set(first.traits), list(self._memory.waiting.values())
        rest = [each for each in rest if self._is_common(each.traits)]
        while linked := [each for each in rest if not shared.isdisjoint(each.traits)]:
            rest = [each for each in rest if shared.isdisjoint(each.traits)]
            shared.update(*(each.traits for each in linked))
        return frozenset(shared)

    def _is_common(self, traits: frozenset[Trait]) -> bool:
        return all(self._models_with.n(trait) >= self._table.models for trait in traits)

    def _begin(
        self, ids: list[str], shared: frozenset[Trait], at_ms: int, decisions: Decisions
    ) -> None:
        starts = {i: self._no_longer_waiting(i) for i in ids}
        first_ms = next(iter(starts.values())).at_ms
        storm_id = record_id("storm", first_ms, ids[0], *(x for t in sorted(shared) for x in t))
        self._memory.storms[storm_id] = Storm(shared, first_ms, first_ms, told_ms=at_ms)
        for incident_id, waiting in starts.items():
            self._join(storm_id, incident_id, waiting, decisions)
        self._tell(storm_id, AlertKind.STARTED, at_ms, decisions)
        for number in sorted(number for each in starts.values() for number in each.followers):
            self.take(number, at_ms, decisions)

    def _join(self, storm_id: str, incident_id: str, start: Waiting, decisions: Decisions) -> None:
        storm = self._memory.storms[storm_id]
        member = storm.members.setdefault(start.model, Member())
        member.n_open += 1
        member.columns |= {trait.column for trait in start.traits}
        member.segments |= start.segments
        member.views.add(start.view)
        storm.n_open += 1
        storm.last_ms = max(storm.last_ms, start.at_ms)
        self._memory.held[incident_id] = Held(storm_id, 0)
        self._hold(start.number, incident_id, start.n_alerts, start.severity, decisions)

    def _no_longer_waiting(self, incident_id: str) -> Waiting:
        waiting = self._memory.waiting.pop(incident_id)
        self._models_with.remove(waiting)
        return waiting

    # Alerts of incidents that a storm holds back -------------------------------------------------

    def _follow(self, number: int, alert: Alert, at_ms: int, decisions: Decisions) -> None:
        held = self._memory.held[alert.incident_id]
        is_over = alert.kind is AlertKind.RECOVERED
        traits = traits_of(alert)
        if not is_over and not traits <= self._memory.storms[held.storm_id].traits:
            self._let_go(alert, at_ms, decisions)
            started = as_start(alert, held.n_alerts)
            self._kept.replace(number, started, at_ms)
            self._start(number, started, traits, at_ms, decisions)
            return
        n_alerts = 1 + alert.n_suppressed
        self._hold(number, alert.incident_id, n_alerts, alert.severity, decisions)
        if is_over:
            self._let_go(alert, at_ms, decisions)
        else:
            self._memory.storms[held.storm_id].news_ms = at_ms

    def _hold(
        self, number: int, incident_id: str, n_alerts: int, severity: Severity, decisions: Decisions
    ) -> None:
        """Hold an alert back, counted for the storm, for its incident and for the job."""
        held = self._memory.held[incident_id]
        storm = self._memory.storms[held.storm_id]
        self._kept.drop(number)
        decisions.counts.in_storms += 1
        held.n_alerts += n_alerts
        storm.n_suppressed += n_alerts
        if severity is Severity.CRITICAL:
            storm.severity = Severity.CRITICAL

    def _let_go(self, alert: Alert, at_ms: int, decisions: Decisions) -> None:
        """Hold an incident back no longer; with the last one the storm is over."""
        storm_id = self._memory.held.pop(alert.incident_id).storm_id
        storm = self._memory.storms[storm_id]
        storm.n_open -= 1
        storm.members[alert.model].n_open -= 1
        if not storm.n_open:
            self._tell(storm_id, AlertKind.RECOVERED, at_ms, decisions)
            del self._memory.storms[storm_id]

    # Alerts about a storm -------------------------------------------------------------------------

    def _look_at(self, storm_id: str, storm: Storm, at_ms: int, decisions: Decisions) -> None:
        """Tell of a storm once for all that came at one moment, and when it stops growing."""
        is_over = storm.takes_in and storm.last_ms + self._table.within_ms == at_ms
        is_news = storm.news_ms == at_ms and self._is_news(storm, at_ms)
        if is_over:
            storm.takes_in = False
        if storm.news_ms == at_ms:
            storm.news_ms = None
        if is_news or (is_over and len(storm.members) > storm.told_models):
            self._tell(storm_id, AlertKind.ONGOING, at_ms, decisions)

    def _is_news(self, storm: Storm, at_ms: int) -> bool:
        has_changed = storm.severity is not storm.told
        has_doubled = len(storm.members) >= 2 * storm.told_models
        return has_changed or has_doubled or at_ms - storm.told_ms >= self._table.ongoing_every_ms

    def _tell(self, storm_id: str, kind: AlertKind, at_ms: int, decisions: Decisions) -> None:
        storm = self._memory.storms[storm_id]
        decisions.tell(self._teller.alert(storm_id, storm, kind, at_ms))
        storm.told, storm.told_ms = storm.severity, at_ms
        storm.told_models, storm.n_told = len(storm.members), storm.n_told + 1
        storm.n_suppressed = 0


class _ModelsWith:
    """How many models have a trait among the starts that wait."""

    def __init__(self, waiting: Iterable[Waiting]) -> None:
        self._starts: defaultdict[Trait, dict[str, int]] = defaultdict(dict)
        for each in waiting:
            self.add(each)

    def n(self, trait: Trait) -> int:
        return len(self._starts.get(trait, ()))

    def add(self, waiting: Waiting) -> None:
        for trait in waiting.traits:
            models = self._starts[trait]
            models[waiting.model] = models.get(waiting.model, 0) + 1

    def remove(self, waiting: Waiting) -> None:
        for trait in waiting.traits:
            models = self._starts[trait]
            models[waiting.model] -= 1
            if not models[waiting.model]:
                del models[waiting.model]
            if not models:
                del self._starts[trait]
