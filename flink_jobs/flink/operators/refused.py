"""Dead letters for records that are refused before they reach a pane."""

from __future__ import annotations

from pyflink.common import Row
from pyflink.datastream import MapFunction, RuntimeContext

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.flink.metrics import RefusedMetrics
from flink_jobs.intake.finding import needs_locating
from flink_jobs.intake.refusals import refusal
from flink_jobs.records.dead_letters import Reason, encode_dead_letter


class RefusedFunction(MapFunction):
    """From (model, payload, partition, offset, event_ms, verdict, detail) to a Kafka record."""

    def __init__(self, config: DriftJobConfig) -> None:
        self._config = config

    def open(self, runtime_context: RuntimeContext) -> None:
        """Register the metrics; called once in every Python worker."""
        group = runtime_context.get_metrics_group()
        self._metrics = RefusedMetrics(
            group, self._config.job.named_models, is_located=needs_locating(self._config)
        )

    def map(self, value: Row) -> Row:
        """One refused record."""
        model, payload, partition, offset, event_ms, verdict, detail = value
        dead_letter = refusal(
            self._config,
            Reason(verdict),
            detail=detail,
            model=model,
            payload=payload,
            partition=partition,
            offset=offset,
            event_time_ms=event_ms,
        )
        self._metrics.report(dead_letter)
        return Row(*encode_dead_letter(dead_letter))
