"""Panes and timers in, Kafka records out: the keyed operators around :class:`DriftMonitor`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
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
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.flink.log import JobLog
from flink_jobs.flink.metrics import MonitorMetrics
from flink_jobs.flink.operators.standing_commands import STANDING_STATE, StandingCommands, accepted
from flink_jobs.flink.operators.waiting_models import WaitingModels
from flink_jobs.flink.state import FlinkModelState, ShardEntries
from flink_jobs.intake.panes import unpack_pane
from flink_jobs.intake.shards import unpack_shard
from flink_jobs.one_thread import use_one_thread
from flink_jobs.records.alerts import encode_record
from flink_jobs.records.command_decoder import UnusableCommandError, decode_command, refusal
from flink_jobs.records.control import Audit, PlacedCommand, StandingCommand, encode_audit
from flink_jobs.records.dead_letters import encode_dead_letter
from flink_jobs.records.evidence import encode_evidence
from flink_jobs.records.status import encode_status
from flink_jobs.version import __version__

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
RECORD_TYPE = Types.ROW_NAMED(["key", "value"], [_BYTES, _BYTES])
SCORES = OutputTag("scores", RECORD_TYPE)
DEAD_LETTERS = OutputTag("dead-letters", RECORD_TYPE)
AUDITS = OutputTag("audits", RECORD_TYPE)
EVIDENCE = OutputTag("evidence", RECORD_TYPE)
STATUSES = OutputTag("statuses", RECORD_TYPE)

Output: TypeAlias = Row | tuple[OutputTag, Row]

_END_OF_INPUT = (1 << 63) - 1
# Of entries in each Python worker: 6 kB for each of 20,000 models, and the references once.
_MOST_CACHED_BYTES = 256 * 2**20

_log = logging.getLogger(__name__)


def shard_of(row: Row) -> int:
    """The key of a row of (shard, ...)."""
    return int(row[0])


class _MonitorOperator:
    """Common part of the operators with and without commands.

    Parameters
    ----------
    config : DriftJobConfig
    artefacts : Artefacts
        What the files that the configuration names hold; they travel within this function.
    """

    def __init__(self, config: DriftJobConfig, artefacts: Artefacts) -> None:
        self._config = config
        self._artefacts = artefacts

    def open(self, runtime_context: RuntimeContext) -> None:
        """Build the monitor and the metrics; called once in every Python worker."""
        use_one_thread()
        self._entries = ShardEntries(runtime_context, _MOST_CACHED_BYTES)
        self._waiting = WaitingModels(self._entries)
        self._monitor = DriftMonitor(self._config, self._artefacts)
        self._metrics = MonitorMetrics(
            runtime_context.get_metrics_group(),
            takes_commands=self._config.kafka.control_topic is not None,
            named_models=self._config.job.named_models,
        )
        self._job_log = JobLog(_log, self._config.job.name)
        _log.info("loudly %s starts from %s", __version__, __file__)

    def _take_panes(
        self, shard: int, packed: Any, context: Any, standing: Sequence[StandingCommand] = ()
    ) -> Iterator[Output]:
        """Hand the panes of a shard's models to the monitor, one by one."""
        self._entries.enter(shard)
        for model, pane in unpack_shard(bytes(packed)):
            state = FlinkModelState(self._entries, model)
            unpacked = unpack_pane(model, self._config.panes.width_ms, pane)
            actions = self._monitor.on_pane(unpacked, state, standing)
            yield from self._pass_on(model, state, actions)
        self._waiting.register(shard, context.timer_service())

    def _take_time(
        self, timestamp: int, context: Any, standing: Sequence[StandingCommand] = ()
    ) -> Iterator[Output]:
        """Tell the monitor how far event time has come for the models that wait for it."""
        shard = int(context.get_current_key())
        self._entries.enter(shard)
        is_end = context.timer_service().current_watermark() == _END_OF_INPUT
        for model in self._waiting.take(shard, timestamp):
            state = FlinkModelState(self._entries, model)
            if is_end:
                actions = self._monitor.on_end(model, state, standing)
            else:
                actions = self._monitor.on_time(model, timestamp, state, standing)
            yield from self._pass_on(model, state, actions)
        self._waiting.register(shard, context.timer_service())

    def _pass_on(self, model: str, state: FlinkModelState, actions: Actions) -> Iterator[Output]:
        """Do what the monitor asks for."""
        if actions.wake_ms is not None:
            self._waiting.ask(model, actions.wake_ms)
        self._metrics.report(model, actions, state.n_bytes)
        for notice in actions.notices:
            self._job_log.notice(notice)
        for alert in actions.alerts:
            self._job_log.alert(alert)
            yield Row(*encode_record(alert))
        for score in actions.scores:
            yield SCORES, Row(*encode_record(score))
        for evidence in actions.evidence:
            yield EVIDENCE, Row(*encode_evidence(evidence))
        for dead_letter in actions.dead_letters:
            yield DEAD_LETTERS, Row(*encode_dead_letter(dead_letter))
        yield from _audit_rows(actions.audits)
        if self._config.kafka.status_topic is not None:
            for status in actions.statuses:
                yield STATUSES, Row(*encode_status(status))


class MonitorFunction(_MonitorOperator, KeyedProcessFunction):
    """Rows of (shard, packed panes) in; alerts on the main output, the rest on side outputs."""

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Output]:
        """Hand the panes of one shard to the monitor and pass on what it asks for."""
        shard, packed = value
        yield from self._take_panes(shard, packed, ctx)

    def on_timer(
        self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext
    ) -> Iterator[Output]:
        """Tell the monitor how far event time has come for the models that wait for it."""
        yield from self._take_time(timestamp, ctx)


class ControlledMonitorFunction(_MonitorOperator, KeyedBroadcastProcessFunction):
    """The same with commands.

    The keyed input has rows of (shard, packed panes, None, None, None), and (shard, command,
    partition, offset, model) for commands to one model. Commands to many come by broadcast, because
    PyFlink can not apply a function to the state of all keys: each model takes them when it is next
    seen.
    """

    def open(self, runtime_context: RuntimeContext) -> None:
        """Build what the operator without commands has, and the list of standing commands."""
        super().open(runtime_context)
        self._standing = StandingCommands()
        self._answers_for_all = runtime_context.get_index_of_this_subtask() == 0

    def process_element(
        self, value: Row, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext
    ) -> Iterator[Output]:
        """Hand the panes of one shard, or one command to a model of it, to the monitor."""
        shard, data, partition, offset, model = value
        state = ctx.get_broadcast_state(STANDING_STATE)
        if model is None:
            yield from self._take_panes(shard, data, ctx, self._standing.all(state))
            return
        command = self._decode(model, data, partition, offset)
        if isinstance(command, Audit):
            yield from self._answer([command])
            return
        self._entries.enter(shard)
        model_state = FlinkModelState(self._entries, model)
        standing = self._standing.before(command, state)
        actions = self._monitor.on_command(model, command, model_state, standing)
        yield from self._pass_on(model, model_state, actions)
        self._waiting.register(shard, ctx.timer_service())

    def process_broadcast_element(
        self, value: Row, ctx: KeyedBroadcastProcessFunction.Context
    ) -> Iterator[Output]:
        """Keep a command to many models; one subtask answers for all."""
        _, data, partition, offset, model = value
        command = self._decode(model, data, partition, offset)
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
        """Tell the monitor how far event time has come for the models that wait for it."""
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
