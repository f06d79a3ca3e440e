"""Dead letters for records that are refused before they reach a pane."""

from __future__ import annotations

from pyflink.common import Row
from pyflink.datastream import MapFunction, RuntimeContext

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.flink.metrics import RefusedMetrics
from flink_jobs.records.dead_letters import DeadLetter, Reason, encode_dead_letter

_DETAILS = {
    Reason.MISSING_KEY: "the record has no key; key events by model id",
    Reason.MISSING_PAYLOAD: "the record has no value",
    Reason.OVERSIZED_PAYLOAD: "{size} bytes, at most {input.max_payload_bytes} are allowed",
    Reason.FAR_FUTURE: "the timestamp is more than {input.max_future_ms} ms ahead of the clock",
    Reason.LATE: "the pane was closed; events may be {input.max_out_of_orderness_ms} ms late",
    Reason.PANE_FULL: "{panes.max_raw_events} events of its pane came before it",
}


class RefusedFunction(MapFunction):
    """From (model, payload, partition, offset, event_ms, verdict) to a Kafka record."""

    def __init__(self, config: DriftJobConfig) -> None:
        self._input = config.input
        self._panes = config.panes
        self._named_models = config.job.named_models

    def open(self, runtime_context: RuntimeContext) -> None:
        """Register the metrics; called once in every Python worker."""
        self._metrics = RefusedMetrics(runtime_context.get_metrics_group(), self._named_models)

    def map(self, value: Row) -> Row:
        """One refused record."""
        model, payload, partition, offset, event_ms, verdict = value
        reason = Reason(verdict)
        size = 0 if payload is None else len(payload)
        kept = None if payload is None else payload[: self._input.dead_letter_payload_bytes]
        dead_letter = DeadLetter(
            reason=reason,
            detail=_DETAILS[reason].format(size=size, input=self._input, panes=self._panes),
            model=model or None,
            partition=partition,
            offset=offset,
            event_time_ms=event_ms,
            payload=None if kept is None else bytes(kept),
            payload_bytes=size,
        )
        self._metrics.report(dead_letter)
        return Row(*encode_dead_letter(dead_letter))
