"""The job's metrics in Flink's own system, in the group ``loudly``; docs/metrics.md explains each.

In PyFlink's process mode every registered metric is sent to the JVM at the end of every bundle,
changed or not, as a 64-bit integer. Hence few metrics, a bounded number of models, and scaled
statistics. A distribution arrives, but no reporter can print it: durations are summed instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from pyflink.metrics import Counter, MetricGroup

from flink_jobs.core.actions import Actions, Counts
from flink_jobs.records.alerts import AlertKind, Score
from flink_jobs.records.control import Audit, Outcome
from flink_jobs.records.dead_letters import DeadLetter, Reason

# Each metric costs the Python worker 25 µs a bundle, and there are up to five bundles a second:
# twenty models with eight metrics each take 2.5 % of it, a hundred would take 10 %.
N_NAMED_MODELS = 20
OTHER_MODELS = "other"
_LONGEST_NAME = 200
_LARGEST = (1 << 63) - 1
_Metrics = TypeVar("_Metrics")

REFUSED_REASONS = (
    Reason.MISSING_KEY,
    Reason.MISSING_PAYLOAD,
    Reason.OVERSIZED_PAYLOAD,
    Reason.FAR_FUTURE,
    Reason.LATE,
    Reason.PANE_FULL,
)
"""Reasons known before a record reaches a pane; all others are found in panes."""
PANE_REASONS = tuple(reason for reason in Reason if reason not in REFUSED_REASONS)


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


class FirstModels(Generic[_Metrics]):
    """Metrics of the first models that are seen.

    Parameters
    ----------
    group : MetricGroup
    make : callable
        Makes the metrics of a model from its group.
    n_named : int
        How many models have metrics of their own.
    """

    def __init__(
        self, group: MetricGroup, make: Callable[[MetricGroup], _Metrics], n_named: int
    ) -> None:
        self._group = group
        self._make = make
        self._n_named = n_named
        self._named: dict[str, _Metrics] = {}

    def of(self, model: str) -> _Metrics | None:
        """The metrics of a model; None for one that is summed with the rest."""
        if model not in self._named and self._has_room_for(model):
            self._named[model] = self._make(self._group.add_group("model", model))
        return self._named.get(model)

    def _has_room_for(self, model: str) -> bool:
        # A model that is called like the rest is counted with the rest.
        is_name = model != OTHER_MODELS and len(model) <= _LONGEST_NAME
        return is_name and len(self._named) < self._n_named


class RefusedMetrics:
    """Metrics of the operator that turns refused records into dead letters.

    Parameters
    ----------
    group : MetricGroup
        Of the operator.
    n_named_models : int
        As many models, the first ones with late events, have a count of their own.
    """

    def __init__(self, group: MetricGroup, n_named_models: int = N_NAMED_MODELS) -> None:
        loudly = loudly_group(group)
        self._totals = Counters.of_names(loudly, ("events", "dead_letters"))
        self._reasons = Counters.of_label(loudly, "reason", REFUSED_REASONS, "dead_letters")
        self._late = FirstModels(loudly, _late_events, n_named_models)
        self._other_late: Counters | None = None
        self._group = loudly

    def report(self, dead_letter: DeadLetter) -> None:
        """Count one refused record."""
        self._totals.add((("events", 1), ("dead_letters", 1)))
        self._reasons.add(((dead_letter.reason, 1),))
        if dead_letter.reason == Reason.LATE:
            self._late_events_of(dead_letter.model or "").add((("late_events", 1),))

    def _late_events_of(self, model: str) -> Counters:
        named = self._late.of(model)
        if named is not None:
            return named
        if self._other_late is None:
            self._other_late = _late_events(self._group.add_group("model", OTHER_MODELS))
        return self._other_late


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
    n_named_models : int
        As many models, the first ones seen, have metrics of their own; the rest are summed.
    """

    def __init__(
        self,
        group: MetricGroup,
        *,
        takes_commands: bool = False,
        n_named_models: int = N_NAMED_MODELS,
    ) -> None:
        loudly = loudly_group(group)
        outcomes = Outcome if takes_commands else ()
        self._totals = Counters.of_names(loudly, (name for name, _ in Counts().items()))
        self._reasons = Counters.of_label(loudly, "reason", PANE_REASONS, "dead_letters")
        self._kinds = Counters.of_label(loudly, "kind", AlertKind, "alerts")
        self._outcomes = Counters.of_label(loudly, "outcome", outcomes, "commands")
        self._models = FirstModels(loudly, _NamedModel, n_named_models)
        self._others: _ModelCounts | None = None
        self._group = loudly

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
        named = self._models.of(model)
        if named is not None:
            named.report(actions)
            named.report_gauges(actions, state_bytes())
            return
        if self._others is None:
            self._others = _ModelCounts(self._group.add_group("model", OTHER_MODELS))
        self._others.report(actions)

    def answered(self, audits: Iterable[Audit]) -> None:
        """Count answers to commands."""
        self._outcomes.add((a.outcome, 1) for a in audits)


class _ModelCounts:
    def __init__(self, group: MetricGroup) -> None:
        self._counters = Counters.of_names(group, ("events", "windows_tested", "alerts"))

    def report(self, actions: Actions) -> None:
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

    def report_gauges(self, actions: Actions, state_bytes: int) -> None:
        self._set("state_bytes", state_bytes)
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
