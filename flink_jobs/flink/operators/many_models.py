"""Alerts of all models in, those that go on out: the operator around :class:`ManyModels`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec
from msgspec import Struct
from pyflink.common import Row
from pyflink.datastream import KeyedProcessFunction, RuntimeContext

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.decisions import Decisions
from flink_jobs.core.many_models.stage import ManyModels
from flink_jobs.flink.log import JobLog
from flink_jobs.flink.metrics import ManyModelsMetrics
from flink_jobs.flink.state import FlinkModelState, ShardEntries
from flink_jobs.records.alerts import Alert, Cause, ScoreStatus, WindowSummary, encode_record

_ONE_KEY = 0
_END_OF_INPUT = (1 << 63) - 1
# Alerts of 3 kB that wait: those of 10,000 models.
_MOST_CACHED_BYTES = 32 * 2**20

_log = logging.getLogger(__name__)


def one_key(row: Row) -> int:
    """The key of every alert: one place sees those of all models."""
    return _ONE_KEY


class _Record(Struct):
    """Fields that tell an alert from a score, and a tested window from others."""

    window: WindowSummary
    alert_id: str = ""
    status: str = ""


class ManyModelsFunction(KeyedProcessFunction):
    """Rows of (key, alert) in and out; where windows count, rows of (key, score) come in as well.

    Parameters
    ----------
    config : DriftJobConfig
    """

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make what needs no key; the stage itself is made with the first alert or timer."""
        self._entries = ShardEntries(runtime_context, _MOST_CACHED_BYTES)
        self._made: ManyModels | None = None
        self._metrics = ManyModelsMetrics(runtime_context.get_metrics_group())
        self._job_log = JobLog(_log, self._config.job.name)
        self._decode = msgspec.json.Decoder(Alert).decode
        self._look_at = msgspec.json.Decoder(_Record).decode

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Keep an alert, or count a test, until event time has passed all that comes before it."""
        stage, data = self._stage(), bytes(value[1])
        record = self._look_at(data)
        if record.alert_id:
            stage.take(self._decode(data))
        elif record.status == ScoreStatus.TESTED:
            stage.take_tests(record.window.closed_ms)
        self._ask_for_timer(stage, ctx)
        return iter(())

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Decide about what event time has passed."""
        stage = self._stage()
        is_end = ctx.timer_service().current_watermark() == _END_OF_INPUT
        yield from self._pass_on(stage.end() if is_end else stage.advance(timestamp))
        self._ask_for_timer(stage, ctx)

    def _stage(self) -> ManyModels:
        """Make the stage of what the state holds, which can be read where there is a key."""
        if self._made is None:
            self._entries.enter(_ONE_KEY)
            self._made = ManyModels(self._config, FlinkModelState(self._entries, ""))
        return self._made

    def _ask_for_timer(self, stage: ManyModels, ctx: KeyedProcessFunction.Context) -> None:
        """Flink keeps one timer of a time, however often it is asked for."""
        wake_ms = stage.wake_ms()
        if wake_ms is not None:
            ctx.timer_service().register_event_time_timer(wake_ms)

    def _pass_on(self, decisions: Decisions) -> Iterator[Row]:
        self._metrics.report(decisions.counts)
        for alert in decisions.alerts:
            if alert.cause is Cause.STORM:
                self._job_log.alert(alert)
            yield Row(*encode_record(alert))
