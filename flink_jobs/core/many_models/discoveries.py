"""Control of false discoveries over the models of a job: which incidents of drift are told of.

*Hypotheses.* Each tested window is one: its events and those of its reference come from the same
distribution, in any order. All windows of all models, views and detectors count, in the order of
event time, whether they drift or not. A window whose alert starts an incident may become a
discovery; so may one with a later alert of an incident that is held back.

*Evidence.* The window's p-value becomes an e-value by
:func:`~detectors.discovery.e_values.e_value_of`. A p-value that is valid for exchangeable events,
reference and window together, makes an e-value whose mean is at most 1 under the hypothesis.

*Guarantee.* In each period of event time the mean share of false ones among the discoveries is at
most ``level``. :class:`~detectors.discovery.e_values.ELond` promises that for e-values that depend
on each other in any way: windows overlap, share a reference, and models share their inputs. Setting
the e-values of all windows without an alert to 0, which is what passing over them means, keeps
them e-values. A decision has the share of a place after all windows of its moment, which is at
most the share of its own place, and that depends on no data. Where only the incidents were
counted there would be no guarantee: they were chosen because their p-values are small.

*Not guaranteed*: anything where events depend on those before them, so that a p-value of a window
is not valid; anything about an incident after it was told of; and anything over several periods
but the mean of their shares. The number of windows must not depend on what they hold: windows of
the period before say over how many half of the budget is spread evenly.
"""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import Struct

from detectors.discovery.e_values import ELond, e_value_of
from flink_jobs.config.tables.many_models import FalseDiscoveriesTable
from flink_jobs.core.many_models.decisions import Decisions, as_start
from flink_jobs.core.many_models.kept import KeptAlerts
from flink_jobs.records.alerts import Alert, AlertKind, Cause, ErrorBudget, finite_or_none


class DiscoveryMemory(Struct):
    """Decisions of the period, and alerts that are held back.

    Attributes
    ----------
    period : int or None
        Its number since 1970; None before the first.
    n_tested, n_expected : int
        Windows tested in it, and in the period before.
    n_places, n_discoveries : int
        Windows and decisions so far, and how many discoveries.
    held : dict of str to int
        By incident that is not a discovery: how many alerts of it were held back.
    """

    period: int | None = None
    n_tested: int = 0
    n_expected: int = 0
    n_places: int = 0
    n_discoveries: int = 0
    held: dict[str, int] = msgspec.field(default_factory=dict)


class Discoveries:
    """Decides about alerts of drift that come in the order of event time.

    Parameters
    ----------
    table : FalseDiscoveriesTable
    memory : DiscoveryMemory
        Changed in place.
    kept : KeptAlerts
        Where the alerts lie.
    """

    def __init__(
        self, table: FalseDiscoveriesTable, memory: DiscoveryMemory, kept: KeptAlerts
    ) -> None:
        self._table = table
        self._memory = memory
        self._kept = kept
        counts = [memory.n_places, memory.n_discoveries, memory.n_expected]
        self._decisions = ELond.from_arrays(
            {"level": np.array([table.level]), "counts": np.array(counts, dtype=np.int64)}
        )

    def count(self, at_ms: int, n_tested: int) -> None:
        """Count the windows tested at a moment; moments come in order."""
        self._enter(at_ms)
        self._decisions.pass_over(n_tested)
        self._memory.n_tested += n_tested
        self._remember()

    def goes_on(self, number: int, at_ms: int, decisions: Decisions) -> bool:
        """Tell whether an alert goes on; one that does not is counted and kept no longer.

        All windows that were tested until ``at_ms`` have been counted.
        """
        alert, held = self._kept.get(number), self._memory.held
        is_held = alert.incident_id in held
        if alert.cause is not Cause.DRIFT or not (is_held or alert.kind is AlertKind.STARTED):
            return True
        if alert.p_value is None and not is_held:
            # No test stands behind it, so that there is nothing to decide by.
            return True
        budget = None if alert.kind is AlertKind.RECOVERED else self._decide(alert, at_ms)
        if budget is None:
            self._hold(number, alert, decisions)
            return False
        told = as_start(alert, held.pop(alert.incident_id)) if is_held else alert
        told = msgspec.structs.replace(told, error_budget=budget)
        self._kept.replace(number, told, at_ms)
        return True

    def _decide(self, alert: Alert, at_ms: int) -> ErrorBudget | None:
        if alert.p_value is None:
            return None
        self._enter(at_ms)
        e_value = e_value_of(alert.p_value)
        is_discovery, level = self._decisions.decide(e_value)
        self._remember()
        if not is_discovery:
            return None
        return ErrorBudget(level=level, e_value=finite_or_none(e_value))

    def _hold(self, number: int, alert: Alert, decisions: Decisions) -> None:
        self._kept.drop(number)
        decisions.counts.no_discoveries += 1
        n_held = self._memory.held.pop(alert.incident_id, 0)
        if alert.kind is not AlertKind.RECOVERED:
            self._memory.held[alert.incident_id] = n_held + 1 + alert.n_suppressed

    def _enter(self, at_ms: int) -> None:
        """Begin a period with a budget of its own."""
        memory, period = self._memory, at_ms // self._table.per_ms
        if memory.period is not None and period <= memory.period:
            return
        follows = memory.period is not None and period == memory.period + 1
        memory.n_expected = memory.n_tested if follows else 0
        memory.period, memory.n_tested = period, 0
        self._decisions = ELond(self._table.level, memory.n_expected)
        self._remember()

    def _remember(self) -> None:
        self._memory.n_places = self._decisions.n_decided
        self._memory.n_discoveries = self._decisions.n_discoveries
