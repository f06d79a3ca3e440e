"""Panes and timers in, Kafka records out: the keyed operators around :class:`DriftMonitor`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pyflink.common import Row, Types
from pyflink.datastream import (
    KeyedBroadcastProcessFunction,
    KeyedProcessFunction,
    OutputTag,
    RuntimeContext,
)

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.actions import Actions
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.flink.log import JobLog
from flink_jobs.flink.metrics import MonitorMetrics
from flink_jobs.flink.operators.standing_commands import STANDING_STATE, StandingCommands, accepted
from flink_jobs.flink.state import FlinkMonitorState
from flink_jobs.intake.panes import unpack_pane
from flink_jobs.one_thread import use_one_thread
from flink_jobs.records.alerts import encode_record
from flink_jobs.records.command_decoder import UnusableCommandError, decode_command, refusal
from flink_jobs.records.control import Audit, PlacedCommand, StandingCommand, encode_audit
from flink_jobs.records.dead_letters import encode_dead_letter
from flink_jobs.version import __version__

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
RECORD_TYPE = Types.ROW_NAMED(["key", "value"], [_BYTES, _BYTES])
SCORES = OutputTag("scores", RECORD_TYPE)
DEAD_LETTERS = OutputTag("dead-letters", RECORD_TYPE)
AUDITS = OutputTag("audits", RECORD_TYPE)

Output: TypeAlias = Row | tuple[OutputTag, Row]

_END_OF_INPUT = (1 << 63) - 1

_log = logging.getLogger(__name__)


def model_of(row: Row) -> str:
    """The key of a row of (model, packed pane, ...)."""
    return str(row[0])


class _MonitorOperator:
    """What the operator does with and without commands.

    Parameters
    ----------
    config : DriftJobConfig
    trained : mapping of str to bytes
        The reference blocks fitted on training sets.
    """

    def __init__(self, config: DriftJobConfig, trained: Mapping[str, bytes]) -> None:
        self._config = config
        self._trained = trained

    def open(self, runtime_context: RuntimeContext) -> None:
        """Build the monitor and the metrics; called once in every Python worker."""
        use_one_thread()
        self._state = FlinkMonitorState(runtime_context)
        self._monitor = DriftMonitor(self._config, self._trained)
        self._metrics = MonitorMetrics(
            runtime_context.get_metrics_group(),
            takes_commands=self._config.kafka.control_topic is not None,
            named_models=self._config.job.named_models,
        )
        self._job_log = JobLog(_log, self._config.job.name)
        _log.info("loudly %s starts from %s", __version__, __file__)

    def _take_pane(
        self, model: str, packed: Any, context: Any, standing: Sequence[StandingCommand] = ()
    ) -> Iterator[Output]:
        pane = unpack_pane(model, self._config.panes.width_ms, bytes(packed))
        actions = self._monitor.on_pane(pane, self._state, standing)
        yield from self._pass_on(model, actions, context)

    def _take_time(
        self, timestamp: int, context: Any, standing: Sequence[StandingCommand] = ()
    ) -> Iterator[Output]:
        model = str(context.get_current_key())
        if context.timer_service().current_watermark() == _END_OF_INPUT:
            actions = self._monitor.on_end(model, self._state, standing)
        else:
            actions = self._monitor.on_time(model, timestamp, self._state, standing)
        yield from self._pass_on(model, actions, context)

    def _pass_on(self, model: str, actions: Actions, context: Any) -> Iterator[Output]:
        """Do what the monitor asks for."""
        if actions.wake_ms is not None:
            context.timer_service().register_event_time_timer(actions.wake_ms)
        self._metrics.report(model, actions, self._state.n_bytes)
        for notice in actions.notices:
            self._job_log.notice(notice)
        for alert in actions.alerts:
            self._job_log.alert(alert)
            yield Row(*encode_record(alert))
        for score in actions.scores:
            yield SCORES, Row(*encode_record(score))
        for dead_letter in actions.dead_letters:
            yield DEAD_LETTERS, Row(*encode_dead_letter(dead_letter))
        yield from _audit_rows(actions.audits)


class MonitorFunction(_MonitorOperator, KeyedProcessFunction):
    """Rows of (model, packed pane) in; alerts on the main output, the rest on side outputs."""

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Output]:
        """Hand one pane to the monitor and pass on what it asks for."""
        model, packed = value
        yield from self._take_pane(model, packed, ctx)

    def on_timer(
        self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext
    ) -> Iterator[Output]:
        """Tell the monitor how far event time has come for a model."""
        yield from self._take_time(timestamp, ctx)


class ControlledMonitorFunction(_MonitorOperator, KeyedBroadcastProcessFunction):
    """The same with commands.

    The keyed input has rows of (model, packed pane, None, None), and (model, command, partition,
    offset) for commands to one model. Commands to many come by broadcast, because PyFlink can not
    apply a function to the state of all keys: each model takes them when it is next seen.
    """

    def open(self, runtime_context: RuntimeContext) -> None:
        """Build what the operator without commands has, and the list of standing commands."""
        super().open(runtime_context)
        self._standing = StandingCommands()
        self._answers_for_all = runtime_context.get_index_of_this_subtask() == 0

    def process_element(
        self, value: Row, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext
    ) -> Iterator[Output]:
        """Hand one pane, or one command to this model, to the monitor."""
        model, data, partition, offset = value
        state = ctx.get_broadcast_state(STANDING_STATE)
        if offset is None:
            yield from self._take_pane(model, data, ctx, self._standing.all(state))
            return
        command = self._decode(model, data, partition, offset)
        if isinstance(command, Audit):
            yield from self._answer([command])
            return
        standing = self._standing.before(command, state)
        actions = self._monitor.on_command(model, command, self._state, standing)
        yield from self._pass_on(model, actions, ctx)

    def process_broadcast_element(
        self, value: Row, ctx: KeyedBroadcastProcessFunction.Context
    ) -> Iterator[Output]:
        """Keep a command to many models; one subtask answers for all."""
        command = self._decode(*value)
        if isinstance(command, Audit):
            answer = command
        else:
            self._standing.add(command, ctx.get_broadcast_state(STANDING_STATE))
            answer = accepted(command, self._config.job.name)
        if self._answers_for_all:
            yield from self._answer([answer])

    def on_timer(
        self, timestamp: int, ctx: KeyedBroadcastProcessFunction.OnTimerContext
    ) -> Iterator[Output]:
        """Tell the monitor how far event time has come for a model."""
        standing = self._standing.all(ctx.get_broadcast_state(STANDING_STATE))
        yield from self._take_time(timestamp, ctx, standing)

    def _decode(
        self, key: str | None, value: Any, partition: int, offset: int
    ) -> PlacedCommand | Audit:
        """The command, or the answer to what is none."""
        key_bytes = None if key is None else key.encode()
        try:
            data = None if value is None else bytes(value)
            return decode_command(key_bytes, data, partition, offset)
        except UnusableCommandError as error:
            return refusal(error, partition, offset, self._config.job.name)

    def _answer(self, audits: Iterable[Audit]) -> Iterator[Output]:
        self._metrics.answered(audits)
        yield from _audit_rows(audits)


def _audit_rows(audits: Iterable[Audit]) -> Iterator[Output]:
    for audit in audits:
        yield AUDITS, Row(*encode_audit(audit))
