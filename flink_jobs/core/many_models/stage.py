"""The stage behind the monitor: it takes the alerts of all models in the order of event time.

An alert has its place by event time, model, view and detector; those of one detector keep the order
in which the monitor raised them. Before an alert is decided about, event time must have passed its
time by :func:`lag_ms`: by then the monitor has raised all that comes before it. So nothing depends
on the order in which alerts arrive, on parallelism or on partitions, and a backtest, which hands
them all over before it lets time pass, decides alike.

An alert about a time that has been decided already takes its place at the end. Only commands and
changes of the configuration raise such alerts, which end incidents at the time that their model has
reached, however long ago that was.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.decisions import Decisions
from flink_jobs.core.many_models.discoveries import Discoveries, DiscoveryMemory
from flink_jobs.core.many_models.kept import KeptAlerts
from flink_jobs.core.many_models.memory import StormMemory
from flink_jobs.core.many_models.storm_alerts import StormTeller
from flink_jobs.core.many_models.storms import Storms
from flink_jobs.core.parts import earliest
from flink_jobs.core.state.entries import Entries
from flink_jobs.core.state.model_state import ModelState
from flink_jobs.core.views.view_watch import PANES_OF_GRACE
from flink_jobs.records.alerts import Alert
from flink_jobs.times import FOREVER_MS

_STORMS, _DISCOVERIES, _TESTED, _REACHED = "storms", "discoveries", "tested", "reached"
_NOTHING_MS = -(1 << 62)

Place = tuple[int, str, str, str, int]


def lag_ms(config: DriftJobConfig) -> int:
    """Return how far event time passes a moment until all alerts about it have been raised.

    The window of a model that sends nothing more is closed by a timer some panes after its end,
    which is rounded up to the end of a pane.
    """
    return (PANES_OF_GRACE + 1) * config.panes.width_ms


def longest_delay_ms(config: DriftJobConfig) -> int:
    """Return by how much event time an alert comes later than without the stage, at most."""
    return lag_ms(config) + (config.storm.within_ms if config.storm is not None else 0)


def decides_over_models(config: DriftJobConfig) -> bool:
    """Tell whether a job has this stage."""
    return config.storm is not None or config.false_discoveries is not None


class ManyModels:
    """Decides over the alerts of all models.

    What is not a discovery is held back first; storms are found among what is left.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job, with a table ``storm`` or ``false_discoveries``.
    state : ModelState
        The stage's own entries.
    """

    def __init__(self, config: DriftJobConfig, state: ModelState) -> None:
        self._lag_ms = lag_ms(config)
        self._entries = Entries(state)
        self._kept = KeptAlerts(self._entries)
        reached_ms = self._entries.load(_REACHED, int)
        self._reached_ms = _NOTHING_MS if reached_ms is None else reached_ms
        self._storm_memory, self._discovery_memory = StormMemory(), DiscoveryMemory()
        self._storms: Storms | None = None
        self._discoveries: Discoveries | None = None
        if config.storm is not None:
            self._storm_memory = self._entries.load(_STORMS, StormMemory) or self._storm_memory
            teller = StormTeller(config)
            self._storms = Storms(config.storm, self._storm_memory, self._kept, teller)
        self._discovery_memory = (
            self._entries.load(_DISCOVERIES, DiscoveryMemory) or DiscoveryMemory()
        )
        if config.false_discoveries is not None:
            known = self._entries.load(_DISCOVERIES, DiscoveryMemory)
            self._discovery_memory = known or self._discovery_memory
            table = config.false_discoveries
            self._discoveries = Discoveries(table, self._discovery_memory, self._kept)
        self._tested = self._entries.load(_TESTED, dict[int, int]) or {}
        self._queue = self._restored()
        heapify(self._queue)

    def take(self, alert: Alert) -> None:
        """Take an alert, in whatever order they come."""
        at_ms = max(alert.window.closed_ms, self._reached_ms)
        number = self._kept.keep(alert, at_ms)
        heappush(self._queue, (at_ms, alert.model, alert.view, alert.detector, number))

    def take_tests(self, closed_ms: int, n: int = 1) -> None:
        """Take note of tested windows, in whatever order they come."""
        at_ms = max(closed_ms, self._reached_ms)
        self._tested[at_ms] = self._tested.get(at_ms, 0) + n
        self._entries.store(_TESTED, self._tested)

    def wake_ms(self) -> int | None:
        """Return the event time at which :meth:`advance` has something to do; None for never."""
        queued_ms = self._queue[0][0] if self._queue else None
        due_ms = None if self._storms is None else self._storms.due_ms()
        at_ms = earliest((queued_ms, due_ms, min(self._tested, default=None)))
        return None if at_ms is None else at_ms + self._lag_ms

    def advance(self, now_ms: int) -> Decisions:
        """Decide about all that event time has passed; the same whenever it is called."""
        until_ms = now_ms - self._lag_ms
        if until_ms < self._reached_ms:
            return Decisions()
        decisions = self._decide_until(until_ms)
        self._reached_ms = until_ms
        self._save()
        return decisions

    def end(self) -> Decisions:
        """Decide about all that waits, since the input is over, and let no more time pass."""
        decisions = self._decide_until(FOREVER_MS)
        self._save()
        return decisions

    def _decide_until(self, until_ms: int) -> Decisions:
        decisions = Decisions()
        while self._queue and self._queue[0][0] <= until_ms:
            at_ms, *_, number = heappop(self._queue)
            self._count_tests(at_ms)
            self._reached_ms = at_ms
            decisions.counts.raised += 1
            self._decide(number, at_ms, decisions)
        self._count_tests(until_ms)
        if self._storms is not None:
            self._storms.on_time(until_ms, decisions)
        return decisions

    def _decide(self, number: int, at_ms: int, decisions: Decisions) -> None:
        if self._storms is not None:
            self._storms.on_time(at_ms - 1, decisions)
        if self._discoveries and not self._discoveries.goes_on(number, at_ms, decisions):
            return
        if self._storms is not None:
            self._storms.take(number, at_ms, decisions)
        else:
            decisions.pass_on(self._kept.take(number))

    def _count_tests(self, until_ms: int) -> None:
        """Count the windows that were tested until a moment, before what is decided then."""
        for at_ms in sorted(each for each in self._tested if each <= until_ms):
            n_tested = self._tested.pop(at_ms)
            if self._discoveries is not None:
                self._discoveries.count(at_ms, n_tested)

    def _save(self) -> None:
        self._entries.store(_REACHED, self._reached_ms)
        if self._storms is not None:
            self._entries.store(_STORMS, self._storm_memory)
        if self._discoveries is not None:
            self._entries.store(_DISCOVERIES, self._discovery_memory)
            self._entries.store(_TESTED, self._tested)

    def _restored(self) -> list[Place]:
        """Queue what is kept and was not taken yet."""
        taken = {
            number
            for each in self._storm_memory.waiting.values()
            for number in (each.number, *each.followers)
        }
        return [
            (at_ms, alert.model, alert.view, alert.detector, number)
            for number, at_ms, alert in self._kept.all()
            if number not in taken
        ]
