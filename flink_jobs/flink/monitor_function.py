"""Panes in, Kafka records out: the keyed operator around :class:`DriftMonitor`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext

from flink_jobs.alerts import encode_record
from flink_jobs.config import DriftJobConfig
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.dead_letters import encode_dead_letter
from flink_jobs.flink.keyed_state import FlinkMonitorState
from flink_jobs.flink.metrics import MonitorMetrics
from flink_jobs.panes import unpack_pane
from flink_jobs.version import __version__

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
RECORD_TYPE = Types.ROW_NAMED(["key", "value"], [_BYTES, _BYTES])
SCORES = OutputTag("scores", RECORD_TYPE)
DEAD_LETTERS = OutputTag("dead-letters", RECORD_TYPE)

_log = logging.getLogger(__name__)


def model_of(row: Row) -> str:
    """The key of a row of (model, packed pane)."""
    return str(row[0])


class MonitorFunction(KeyedProcessFunction):
    """Alerts on the main output, scores and dead letters on side outputs.

    Parameters
    ----------
    config : DriftJobConfig
    trained_reference : bytes or None
        The reference block fitted on the training set.
    """

    def __init__(self, config: DriftJobConfig, trained_reference: bytes | None) -> None:
        self._config = config
        self._trained_reference = trained_reference

    def open(self, runtime_context: RuntimeContext) -> None:
        """Build the monitor and the metrics; called once in every Python worker."""
        self._state = FlinkMonitorState(runtime_context)
        self._monitor = DriftMonitor(self._config, self._trained_reference)
        self._metrics = MonitorMetrics(runtime_context.get_metrics_group())
        _log.info("loudly %s starts from %s", __version__, __file__)

    def process_element(
        self, value: Row, ctx: KeyedProcessFunction.Context
    ) -> Iterator[Row | tuple[OutputTag, Row]]:
        """Hand one pane to the monitor and pass on what it asks for."""
        model, packed = value
        pane = unpack_pane(model, self._config.panes.width_ms, bytes(packed))
        actions = self._monitor.on_pane(pane, self._state)
        self._metrics.report(model, actions)
        for notice in actions.notices:
            _log.warning(notice)
        for alert in actions.alerts:
            yield Row(*encode_record(alert))
        for score in actions.scores:
            yield SCORES, Row(*encode_record(score))
        for dead_letter in actions.dead_letters:
            yield DEAD_LETTERS, Row(*encode_dead_letter(dead_letter))
