"""The job's metrics in Flink's own system, in the group ``loudly``; docs/metrics.md explains each.

In PyFlink's process mode every registered metric is sent to the JVM at the end of every bundle,
changed or not, as a 64-bit integer. Hence few metrics, few models by name, and scaled statistics.
A distribution arrives, but no reporter can print it: durations are summed instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from pyflink.metrics import Counter, MetricGroup

from flink_jobs.config.job import OTHER_MODELS
from flink_jobs.core.actions import Actions, Counts
from flink_jobs.core.many_models.decisions import STAGE_COUNTS, StageCounts
from flink_jobs.records.alerts import AlertKind, Score
from flink_jobs.records.control import Audit, Outcome
from flink_jobs.records.dead_letters import DeadLetter, Reason

_LARGEST = (1 << 63) - 1
_Metrics = TypeVar("_Metrics")

REFUSED_REASONS = (
    Reason.MISSING_KEY,
    Reason.MISSING_PAYLOAD,
    Reason.NO_MODEL,
    Reason.NO_TIME,
    Reason.OVERSIZED_PAYLOAD,
    Reason.FAR_FUTURE,
    Reason.LATE,
    Reason.PANE_FULL,
)
"""Reasons known before a record reaches a pane; all others are found in panes."""
# A pane is full of messages, or of the events in them, which are counted when they are read.
PANE_REASONS = (*(each for each in Reason if each not in REFUSED_REASONS), Reason.PANE_FULL)


def loudly_group(group: MetricGroup) -> MetricGroup:
    """The group of all metrics of this project, below the operator's."""
    return group.add_group("loudly")


class Counters:
    """Some counters of one group, all there from the first report on.

    A counter that appears with its first event hides that event from Prometheus' ``increase``.

    Parameters
    ----------
    counters : mapping of str to Counter
    """

    def __init__(self, counters: Mapping[str, Counter]) -> None:
        self._counters = counters
        self._is_new = True

    @classmethod
    def of_names(cls, group: MetricGroup, names: Iterable[str]) -> Counters:
        """One counter for each name."""
        return cls({name: group.counter(name) for name in names})

    @classmethod
    def of_label(cls, group: MetricGroup, label: str, values: Iterable[str], name: str) -> Counters:
        """One counter for each value: ``loudly_reason_dead_letters{reason="late"}``."""
        return cls({str(v): group.add_group(label, str(v)).counter(name) for v in values})

    def add(self, counts: Iterable[tuple[str, int]]) -> None:
        """Add to some of the counters."""
        if self._is_new:
            # Not when they are made: PyFlink counts only while a bundle runs.
            self._is_new = False
            for counter in self._counters.values():
                counter.inc(0)
        for name, count in counts:
            if count:
                self._counters[name].inc(count)


class NamedModels(Generic[_Metrics]):
    """Metrics of the models that the configuration names, and one for the sum of all others.

    Parameters
    ----------
    group : MetricGroup
    names : iterable of str
    make, make_other : callable
        Make the metrics of a named model, and those of the rest, from their group. Both are called
        when a model is first seen.
    """

    def __init__(
        self,
        group: MetricGroup,
        names: Iterable[str],
        make: Callable[[MetricGroup], _Metrics],
        make_other: Callable[[MetricGroup], _Metrics],
    ) -> None:
        self._group = group
        self._names = frozenset(names)
        self._make, self._make_other = make, make_other
        self._made: dict[str, _Metrics] = {}

    def of(self, model: str) -> _Metrics:
        """Give the metrics under which a model is counted."""
        name = model if model in self._names else OTHER_MODELS
        if name not in self._made:
            make = self._make if name in self._names else self._make_other
            self._made[name] = make(self._group.add_group("model", name))
        return self._made[name]


class RefusedMetrics:
    """Metrics of the operator that turns refused records into dead letters.

    Parameters
    ----------
    group : MetricGroup
        Of the operator.
    named_models : iterable of str
        They have counts of late events of their own.
    is_located : bool
        Whether payloads are looked into for model or time: one that cannot be read is refused.
    """

    def __init__(
        self,
        group: MetricGroup,
        named_models: Iterable[str] = (),
        *,
        is_located: bool = False,
    ) -> None:
        loudly = loudly_group(group)
        reasons = tuple(Reason) if is_located else REFUSED_REASONS
        self._totals = Counters.of_names(loudly, ("events", "dead_letters"))
        self._reasons = Counters.of_label(loudly, "reason", reasons, "dead_letters")
        self._late = NamedModels(loudly, named_models, _late_events, _late_events)

    def report(self, dead_letter: DeadLetter) -> None:
        """Count one refused record."""
        self._totals.add((("events", 1), ("dead_letters", 1)))
        self._reasons.add(((dead_letter.reason, 1),))
        if dead_letter.reason == Reason.LATE:
            self._late.of(dead_letter.model or "").add((("late_events", 1),))


def _late_events(group: MetricGroup) -> Counters:
    return Counters.of_names(group, ("late_events",))


class MonitorMetrics:
    """Metrics of the monitor: totals, by reason, by kind of alert, by answer and by model.

    Parameters
    ----------
    group : MetricGroup
        Of the operator.
    takes_commands : bool
        Whether answers to commands are counted.
    named_models : iterable of str
        They have metrics of their own; the rest are summed.
    """

    def __init__(
        self,
        group: MetricGroup,
        *,
        takes_commands: bool = False,
        named_models: Iterable[str] = (),
    ) -> None:
        loudly = loudly_group(group)
        outcomes = Outcome if takes_commands else ()
        self._totals = Counters.of_names(loudly, (name for name, _ in Counts().items()))
        self._reasons = Counters.of_label(loudly, "reason", PANE_REASONS, "dead_letters")
        self._kinds = Counters.of_label(loudly, "kind", AlertKind, "alerts")
        self._outcomes = Counters.of_label(loudly, "outcome", outcomes, "commands")
        self._models = NamedModels[_ModelCounts](loudly, named_models, _NamedModel, _ModelCounts)

    def report(self, model: str, actions: Actions, state_bytes: Callable[[], int]) -> None:
        """Count what a pane, a timer or a command brought.

        Parameters
        ----------
        model : str
        actions : Actions
        state_bytes : callable
            Gives the size of the model's state; called for models with metrics of their own.
        """
        self._totals.add(actions.counts.items())
        self._reasons.add((d.reason, 1) for d in actions.dead_letters)
        self._kinds.add((a.kind, 1) for a in actions.alerts)
        self.answered(actions.audits)
        self._models.of(model).report(actions, state_bytes)

    def answered(self, audits: Iterable[Audit]) -> None:
        """Count answers to commands."""
        self._outcomes.add((a.outcome, 1) for a in audits)


class ManyModelsMetrics:
    """Metrics of the operator that decides over the alerts of all models.

    Parameters
    ----------
    group : MetricGroup
        Of the operator.
    """

    def __init__(self, group: MetricGroup) -> None:
        self._counters = Counters.of_names(loudly_group(group), STAGE_COUNTS)

    def report(self, counts: StageCounts) -> None:
        """Count what was decided."""
        self._counters.add(counts.items())


class _ModelCounts:
    def __init__(self, group: MetricGroup) -> None:
        self._counters = Counters.of_names(group, ("events", "windows_tested", "alerts"))

    def report(self, actions: Actions, state_bytes: Callable[[], int]) -> None:
        """``state_bytes`` is a gauge's, and read for named models alone."""
        counts = actions.counts
        self._counters.add(
            (
                ("events", counts.events),
                ("windows_tested", counts.windows_tested),
                ("alerts", counts.alerts),
            )
        )


class _NamedModel(_ModelCounts):
    """The counts, and gauges, which could not be summed; a gauge appears with its first value."""

    def __init__(self, group: MetricGroup) -> None:
        super().__init__(group)
        self._group = group
        self._gauges: dict[str, int] = {}

    def report(self, actions: Actions, state_bytes: Callable[[], int]) -> None:
        super().report(actions, state_bytes)
        self._set("state_bytes", state_bytes())
        self._set("reference_events_missing", actions.reference_events_missing)
        self._set("reference_age_events", actions.reference_age_events)
        self._set("reference_age_ms", actions.reference_age_ms)
        millionths = last_statistic_millionths(actions.scores)
        if millionths is not None:
            self._set("last_statistic_millionths", millionths)

    def _set(self, name: str, value: int | None) -> None:
        """A gauge that has lost its value, as the age of a reference that is gone, is 0."""
        if name not in self._gauges:
            if value is None:
                return
            self._group.gauge(name, lambda: self._gauges[name])
        self._gauges[name] = value or 0


def last_statistic_millionths(scores: Iterable[Score]) -> int | None:
    """The last finite statistic in millionths, as it fits into 64 bits; None without one."""
    statistics = [s.statistic for s in scores if s.statistic is not None]
    if not statistics:
        return None
    return max(-_LARGEST, min(_LARGEST, round(statistics[-1] * 1_000_000)))
