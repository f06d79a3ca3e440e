"""One model while it is looked at: its clock, and the parts that watch it."""

from __future__ import annotations

from collections.abc import Iterator

from flink_jobs.core.conditions.forgetting import Forgetting
from flink_jobs.core.conditions.silence import Silence
from flink_jobs.core.context import Context
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.memory import Memory
from flink_jobs.core.parts import Part, earliest
from flink_jobs.core.plan import Plan, ViewPlan
from flink_jobs.core.references.trained import TrainedRule
from flink_jobs.core.state.status import STATUS, ViewStatus
from flink_jobs.core.status.teller import StatusTeller
from flink_jobs.core.views.view_watch import ViewWatch
from flink_jobs.records.alerts import Ending


class ConfigChangedError(RuntimeError):
    """State of another detector configuration, where the configuration says to refuse it."""


class WatchedModel:
    """A model, and the parts that watch it.

    Parameters
    ----------
    context : Context
    plan : Plan
    memory : Memory

    Attributes
    ----------
    views : list of ViewWatch
    silence : Silence
    status_teller : StatusTeller
    """

    def __init__(self, context: Context, plan: Plan, memory: Memory) -> None:
        self.context = context
        self.plan = plan
        self._memory = memory
        self.views = [self._view(status) for status in context.status.views]
        self._add_new_views()
        self._make_parts()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.context.model

    @property
    def is_new(self) -> bool:
        """Tell whether no pane of the model has come yet."""
        return self.context.status.last_pane_start_ms is None

    @property
    def is_unknown(self) -> bool:
        """Tell whether nothing that time could change is known of the model."""
        status = self.context.status
        return status.now_ms is None and status.wake_ms is None and not status.pending

    @property
    def n_bytes(self) -> int:
        """Size of the entries of all views."""
        return sum(view.n_bytes for view in self.views)

    def take(self, pane: PaneEvents) -> None:
        """Hand the usable events of a pane to all parts."""
        if not len(pane):
            for view in self.views:
                view.wait_for_reference(pane.start_ms)
            return
        for part in self._parts:
            part.on_events(pane)
        if self.context.status.is_paused:
            self.context.actions.counts.paused = len(pane)

    def advance(self, until_ms: int) -> None:
        """Let event time pass while no command takes effect.

        All parts look at each moment at which something happens, in the order of time, so that
        timers in between change nothing: what a record of silence says depends on the windows
        closed before it, and a recovery may ask for a new reference.
        """
        for step_ms in self._steps(until_ms):
            for part in self._parts:
                part.on_time(step_ms)
            if self.context.is_forgotten:
                return
        status = self.context.status
        status.now_ms = until_ms if status.now_ms is None else max(status.now_ms, until_ms)

    def next_close_ms(self) -> int | None:
        """Return when the next window closes or a reference is complete if no event comes."""
        return earliest(view.next_close_ms() for view in self.views)

    def changed_views(self, plan: Plan) -> list[ViewWatch]:
        """List the views whose state belongs to another configuration than a plan's."""
        return [view for view in self.views if self._is_other(view, plan)]

    def follow_plan(self) -> None:
        """Begin again the views whose configuration is not the one that wrote their state.

        Raises
        ------
        ConfigChangedError
            Where the configuration says to refuse that.
        """
        if changed := self.changed_views(self.plan):
            self._begin_again(changed)
        self.status_teller.look()

    def _begin_again(self, changed: list[ViewWatch]) -> None:
        at_ms = self.context.now_ms
        for view in changed:
            what = self._what_changed(view)
            if view.plan.rule.refuses_change:
                hint = 'set reference.on_config_change = "new_reference" to start a new reference'
                raise ConfigChangedError(f"model {self.name}: {what}; {hint}")
            view.notice(f"{what}; a new reference starts at {at_ms} ms")
        self.follow(self.plan, at_ms, {view.name for view in changed})

    def follow(self, plan: Plan, at_ms: int, begun: set[str]) -> None:
        """Go on with a plan, under which some views begin again, others are new or gone."""
        for view in self.views:
            # Views are made again from what they remember, also within the call of a pane.
            view.snapshot()
            if view.name in begun:
                view.start_anew(at_ms, Ending.NEW_CONFIGURATION)
                # What the view remembers goes, and with it the incident.
                view.stability.end(at_ms, Ending.NEW_CONFIGURATION)
                view.forget()
        self.plan, self.context.config = plan, plan.config
        kept = {view.name: view.status for view in self.views if view.name not in begun}
        names = [view.view.name for view in plan.views]
        self.views = [self._view(kept[name]) for name in names if name in kept]
        self._add_new_views()
        self.views.sort(key=lambda view: names.index(view.name))
        self._make_parts()

    def forget(self) -> None:
        """Remove all state of the model."""
        for view in self.views:
            view.forget()
        self.context.entries.remove(STATUS)

    def finish(self) -> None:
        """Ask for a timer and write the state."""
        for part in self._parts:
            part.snapshot()
        self._ask_for_timer()
        context = self.context
        context.status.views = [view.status for view in self.views]
        context.entries.store(STATUS, context.status)
        context.actions.counts.state_bytes = context.entries.n_written
        context.actions.counts.alerts = len(context.actions.alerts)

    def _steps(self, until_ms: int) -> Iterator[int]:
        while (step_ms := earliest(part.due_ms() for part in self._parts)) is not None:
            if step_ms >= until_ms:
                break
            yield step_ms
        yield until_ms

    def _ask_for_timer(self) -> None:
        """One timer is outstanding at a time, or one more where something is due earlier.

        None where the input is over: it would never fire.
        """
        context, status = self.context, self.context.status
        if context.is_at_end:
            return
        due_ms = earliest(part.wake_ms() for part in self._parts)
        if status.pending:
            due_ms = earliest((due_ms, status.pending[0].command.effective_ms))
        if due_ms is None:
            return
        # Not before the pane has come that holds the moment.
        wake_ms = context.pane_end_ms(due_ms)
        if status.wake_ms is None or wake_ms < status.wake_ms:
            status.wake_ms = context.actions.wake_ms = wake_ms

    def _add_new_views(self) -> None:
        known = {view.name for view in self.views}
        for plan in self.plan.views:
            if plan.view.name not in known:
                status = ViewStatus(name=plan.view.name, fingerprint=plan.fingerprint)
                self.views.append(self._view(status))

    def _make_parts(self) -> None:
        teller = self.views[0].teller
        self.silence = Silence(self.context, teller)
        self.status_teller = StatusTeller(self)
        self._parts: list[Part] = [
            *self.views,
            self.silence,
            Forgetting(self.context, teller),
            self.status_teller,
        ]

    def _view(self, status: ViewStatus) -> ViewWatch:
        """Make a view; the first one speaks for one that the configuration no longer has."""
        return ViewWatch(self.context, self._plan_of(status.name), status, self._memory)

    def _plan_of(self, name: str) -> ViewPlan:
        views = self.plan.views
        return next((view for view in views if view.view.name == name), views[0])

    def _is_other(self, view: ViewWatch, plan: Plan) -> bool:
        """Tell whether the state of a view belongs to another configuration, or to none."""
        found = next((each for each in plan.views if each.view.name == view.name), None)
        if found is None or found.fingerprint != view.status.fingerprint:
            return True
        return isinstance(found.rule, TrainedRule) and not found.rule.holds(view)

    def _what_changed(self, view: ViewWatch) -> str:
        status = view.status
        return (
            f"its state belongs to the configuration {status.fingerprint} and the "
            f"reference {status.reference_fingerprint or 'being collected'}, this job runs the "
            f"configuration {view.plan.fingerprint}"
        )
