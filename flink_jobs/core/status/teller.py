"""Writes the status records of a model: at once what changes, at intervals how far it has come."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from flink_jobs.core.events import PaneEvents
from flink_jobs.core.parts import earliest
from flink_jobs.core.state.status import Told
from flink_jobs.core.status.describing import (
    describe,
    describe_forgotten,
    open_incidents,
    status_id,
)
from flink_jobs.core.views.view_watch import PANES_OF_GRACE
from flink_jobs.records.status import ModelStatus

if TYPE_CHECKING:
    from flink_jobs.core.watched_model import WatchedModel


class StatusTeller:
    """A :class:`~flink_jobs.core.parts.Part`, the last one: it looks at what the others did.

    A change of state is told at the first moment at which all parts have seen it. How far a
    reference has come, the last windows, and when events were last heard are told
    ``job.status_every_ms`` after the record before, at the earliest. Both moments follow from
    panes and commands alone, so that neither a timer nor a restore changes a record.

    Parameters
    ----------
    model : WatchedModel
    """

    def __init__(self, model: WatchedModel) -> None:
        self._model = model
        self._context = model.context
        self._every_ms = model.context.config.job.status_every_ms
        self._is_followed = model.context.config.kafka.status_topic is not None

    def on_events(self, pane: PaneEvents) -> None:
        """Nothing is told before the pane is over."""

    def on_time(self, until_ms: int) -> None:
        """Tell what has changed, or what has waited long enough."""
        if not self._is_followed or self._context.is_forgotten or self._is_unseen():
            return
        told, digest = self._context.status.told, self._digest(until_ms)
        is_due = told is None or until_ms >= told.at_ms + self._every_ms
        if told is None or told.digest != digest or (is_due and self._is_behind()):
            self._tell(until_ms, digest)

    def due_ms(self) -> int | None:
        """Return when the next record is due: what waits for it, or the end of a snooze."""
        told = self._told()
        if told is None:
            return None
        due_ms = earliest((self._refreshed_ms(told), self._snoozed_ms(told)))
        # Between panes, so that a record tells of no event that is later than itself.
        return None if due_ms is None else self._context.pane_end_ms(due_ms)

    def wake_ms(self) -> int | None:
        """Ask for a timer: the next pane of a model that goes on is likely to come first."""
        due_ms = self.due_ms()
        if due_ms is None:
            return None
        return due_ms + PANES_OF_GRACE * self._context.config.panes.width_ms

    def snapshot(self) -> None:
        """All that it remembers lies in the status."""

    def look(self) -> None:
        """Tell at once of a configuration that is another one since the model was last seen."""
        told = self._told()
        if told is not None and told.config_version != self._model.plan.config_version:
            self.on_time(self._context.now_ms)

    def tell_end(self) -> None:
        """Tell how the model is where the input is over, if that is news."""
        if self._is_unseen():
            return
        status = describe(self._model, self._context.now_ms)
        at_ms = status.settled_ms()
        told = self._context.status.told
        if told is not None:
            at_ms = max(at_ms, told.at_ms)
        digest = self._digest(at_ms)
        if told is None or told.digest != digest or self._is_behind():
            self._tell(at_ms, digest)

    def tell_forgotten(self, at_ms: int) -> None:
        """Tell that the model is gone."""
        self._write(describe_forgotten(self._model, at_ms))

    def _tell(self, at_ms: int, digest: bytes) -> None:
        number = self._write(describe(self._model, at_ms))
        self._context.status.told = Told(
            number,
            at_ms,
            digest,
            self._progress(),
            self._model.plan.config_version,
            self._context.is_snoozed(at_ms),
        )

    def _write(self, status: ModelStatus) -> int:
        told = self._context.status.told
        number = 0 if told is None else told.number + 1
        status = msgspec.structs.replace(status, number=number)
        status = msgspec.structs.replace(status, status_id=status_id(status))
        self._context.actions.statuses.append(status)
        return number

    def _told(self) -> Told | None:
        context = self._context
        is_over = context.is_at_end or context.is_forgotten
        return context.status.told if self._is_followed and not is_over else None

    def _is_unseen(self) -> bool:
        """Say that nothing is known of the model: no event has come, and no command holds."""
        status = self._context.status
        is_told = status.told is not None or status.is_paused or bool(status.pending)
        is_commanded = status.snoozed_until_ms is not None or bool(status.change)
        return self._model.is_new and not is_told and not is_commanded

    def _is_behind(self) -> bool:
        told = self._context.status.told
        return told is not None and told.progress != self._progress()

    def _refreshed_ms(self, told: Told) -> int | None:
        due_ms = told.at_ms + self._every_ms
        # What is overdue already while a pane is taken is told at the pane's end.
        return due_ms if due_ms > self._context.now_ms and self._is_behind() else None

    def _snoozed_ms(self, told: Told) -> int | None:
        return self._context.status.snoozed_until_ms if told.is_snoozed else None

    def _digest(self, at_ms: int) -> bytes:
        """Digest all of which a change is told at once."""
        status = self._context.status
        views = [
            (view.name, view.status.phase, view.status.reference_fingerprint,
             view.status.n_reference, view.status.reference_end_ms, view.status.is_approved)
            for view in self._model.views
        ]  # fmt: skip
        until_ms = status.snoozed_until_ms if self._context.is_snoozed(at_ms) else None
        told_at_once = (
            status.is_paused,
            until_ms,
            status.change,
            len(status.pending),
            self._model.plan.config_version,
            views,
            open_incidents(self._model),
        )
        return hashlib.sha256(msgspec.msgpack.encode(told_at_once)).digest()[:8]

    def _progress(self) -> list[int]:
        """Return what is told at intervals: how far each part has come."""
        progress = [self._context.status.heard_ms or 0]
        for view in self._model.views:
            progress.append(view.status.n_collected)
            for watch in view.status.watches:
                last = watch.last_result
                progress += [-1] if last is None else [last.closed_ms, last.first_event]
        return progress
