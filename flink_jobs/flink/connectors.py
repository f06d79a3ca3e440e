"""The Kafka source as SQL, and the Kafka sinks."""

from __future__ import annotations

from collections.abc import Mapping

from pyflink.common.serialization import RowFieldExtractorSchema
from pyflink.common.typeinfo import RowTypeInfo
from pyflink.datastream.connectors.base import DeliveryGuarantee
from pyflink.datastream.connectors.kafka import KafkaRecordSerializationSchema, KafkaSink

from flink_jobs.config import DriftJobConfig
from flink_jobs.config_file import resolve_secret
from flink_jobs.dead_letters import Reason
from flink_jobs.events import HEARTBEAT_KEY

HEARTBEAT = "heartbeat"

_STARTUP_MODES = {
    "earliest": "earliest-offset",
    "latest": "latest-offset",
    "committed": "group-offsets",
}
_EVENT_MS = "EXTRACT(EPOCH FROM ts) * 1000 + EXTRACT(MILLISECOND FROM ts)"
_NOW_MS = "EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000"


def source_table(config: DriftJobConfig) -> str:
    """The DDL of the table ``inference``.

    A timestamp far in the future does not move the watermark: one producer with a wrong clock would
    otherwise make every other event late.
    """
    limits = config.input
    return f"""
        CREATE TEMPORARY TABLE inference (
            model STRING,
            payload BYTES,
            ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
            part INT METADATA FROM 'partition' VIRTUAL,
            off BIGINT METADATA FROM 'offset' VIRTUAL,
            event_ms AS {_EVENT_MS},
            WATERMARK FOR ts AS CASE
                WHEN {_EVENT_MS} > {_NOW_MS} + {limits.max_future_ms}
                THEN CAST(NULL AS TIMESTAMP_LTZ(3))
                ELSE TO_TIMESTAMP_LTZ({_EVENT_MS} - {limits.max_out_of_orderness_ms}, 3)
            END
        ) WITH ({_options(_source_options(config))})
    """


def triage_query(config: DriftJobConfig) -> str:
    """Decide once, before the stream splits, whether a record goes into a pane.

    ``verdict`` is NULL for what goes into panes, ``heartbeat``, or the reason of a dead letter.
    A record is late when the end of its pane minus 1 ms is at or below the watermark: the rule by
    which the window operator drops rows. An oversized payload is measured through ISO-8859-1, in
    which one byte is one character.
    """
    width_ms = config.panes.width_ms
    limits = config.input
    watermark = "CURRENT_WATERMARK(ts)"
    watermark_ms = _EVENT_MS.replace("ts", watermark)
    return f"""
        SELECT model, payload, ts, part, off, event_ms, CASE
            WHEN model = '{HEARTBEAT_KEY}' THEN '{HEARTBEAT}'
            WHEN model IS NULL OR model = '' THEN '{Reason.MISSING_KEY}'
            WHEN payload IS NULL THEN '{Reason.MISSING_PAYLOAD}'
            WHEN CHAR_LENGTH(DECODE(payload, 'ISO-8859-1')) > {limits.max_payload_bytes}
                THEN '{Reason.OVERSIZED_PAYLOAD}'
            WHEN event_ms > {_NOW_MS} + {limits.max_future_ms} THEN '{Reason.FAR_FUTURE}'
            WHEN {watermark} IS NOT NULL
                AND event_ms - MOD(event_ms, {width_ms}) + {width_ms} - 1 <= {watermark_ms}
                THEN '{Reason.LATE}'
        END AS verdict
        FROM inference
    """  # noqa: S608 - the numbers and names in it are ours


def kafka_sink(config: DriftJobConfig, topic: str, record_type: RowTypeInfo) -> KafkaSink:
    """A sink for rows of (key bytes, value bytes)."""
    serializer = (
        KafkaRecordSerializationSchema.builder()
        .set_topic(topic)
        .set_key_serialization_schema(RowFieldExtractorSchema(0))
        .set_value_serialization_schema(RowFieldExtractorSchema(1))
        .build()
    )
    builder = (
        KafkaSink.builder()
        .set_bootstrap_servers(config.kafka.bootstrap_servers)
        .set_record_serializer(serializer)
    )
    for key, value in _client_properties(config).items():
        builder.set_property(key, value)
    if config.job.delivery == "at_least_once":
        return builder.set_delivery_guarantee(DeliveryGuarantee.AT_LEAST_ONCE).build()
    return (
        builder.set_delivery_guarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .set_transactional_id_prefix(f"{config.job.name}-{topic}")
        .set_property("transaction.timeout.ms", str(config.job.transaction_timeout_ms))
        .build()
    )


def _source_options(config: DriftJobConfig) -> dict[str, str]:
    kafka = config.kafka
    options = {
        "connector": "kafka",
        "topic": kafka.inference_topic,
        "properties.bootstrap.servers": kafka.bootstrap_servers,
        "properties.group.id": kafka.group_id,
        "properties.auto.offset.reset": "earliest",
        "scan.startup.mode": _STARTUP_MODES[kafka.start],
        "scan.watermark.idle-timeout": f"{config.input.idle_timeout_ms} ms",
        "key.format": "raw",
        "key.fields": "model",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
    }
    if config.job.parallelism > 1:
        # A source subtask that was idle and resumes with old data would have it dropped unseen by
        # the windows, whose watermark the other subtasks moved on. One subtask reads 100,000
        # events/s, which is more than the rest of the job takes.
        options["scan.parallelism"] = "1"
    if kafka.bounded:
        options["scan.bounded.mode"] = "latest-offset"
    properties = _client_properties(config)
    return options | {f"properties.{key}": value for key, value in properties.items()}


def _client_properties(config: DriftJobConfig) -> dict[str, str]:
    return {key: resolve_secret(value) for key, value in config.kafka.properties.items()}


def _options(options: Mapping[str, str]) -> str:
    return ", ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in options.items())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
