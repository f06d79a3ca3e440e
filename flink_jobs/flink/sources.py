"""The inference topic as a table, and the Kafka sinks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pyflink.common.serialization import RowFieldExtractorSchema
from pyflink.datastream.connectors.base import DeliveryGuarantee
from pyflink.datastream.connectors.kafka import KafkaRecordSerializationSchema, KafkaSink

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.flink.kafka_tables import client_properties, reading_options, with_clause
from flink_jobs.intake.finding import EVENT_MS, needs_headers, needs_locating
from flink_jobs.intake.triage import interval_sql
from flink_jobs.kafka.ranges import TopicRange
from flink_jobs.kafka.topics import count_partitions

_STARTUP_MODES = {
    "earliest": "earliest-offset",
    "latest": "latest-offset",
    "committed": "group-offsets",
}


def source_table(config: DriftJobConfig, part: TopicRange | None = None) -> str:
    """Write the DDL of the table ``records``; with a ``part`` the job ends with that.

    ``ts`` is the records' timestamp, by which a partition that is ahead of the others waits. It is
    their event time too, unless that is found by :func:`flink_jobs.flink.located.located_records`.

    The watermark never passes the clock less the bound of disorder, and an event far in the future
    does not move it at all: a producer whose clock is fast would otherwise make the events of all
    others late.
    """
    limits = config.input
    delay = interval_sql(limits.max_out_of_orderness_ms)
    headers = "headers MAP<STRING, BYTES> METADATA VIRTUAL," if needs_headers(config) else ""
    return f"""
        CREATE TEMPORARY TABLE records (
            record_key STRING,
            payload BYTES,
            {headers}
            ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
            part INT METADATA FROM 'partition' VIRTUAL,
            off BIGINT METADATA FROM 'offset' VIRTUAL,
            event_ms AS {EVENT_MS},
            WATERMARK FOR ts AS CASE
                WHEN ts > CURRENT_TIMESTAMP + {interval_sql(limits.max_future_ms)}
                THEN CAST(NULL AS TIMESTAMP_LTZ(3))
                WHEN ts > CURRENT_TIMESTAMP THEN CURRENT_TIMESTAMP - {delay}
                ELSE ts - {delay}
            END
        ) WITH ({with_clause(_source_options(config, part))})
    """


def kafka_sink(
    config: DriftJobConfig, topic: str, delivery: Literal["at_least_once", "exactly_once"]
) -> KafkaSink:
    """A sink for rows of (key bytes, value bytes, ...)."""
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
    for key, value in client_properties(config).items():
        builder.set_property(key, value)
    if delivery == "at_least_once":
        return builder.set_delivery_guarantee(DeliveryGuarantee.AT_LEAST_ONCE).build()
    return (
        builder.set_delivery_guarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .set_transactional_id_prefix(f"{config.job.name}-{topic}")
        .set_property("transaction.timeout.ms", str(config.job.transaction_timeout_ms))
        .build()
    )


def _source_options(config: DriftJobConfig, part: TopicRange | None) -> dict[str, str]:
    kafka, limits = config.kafka, config.input
    options = reading_options(config, kafka.inference_topic, _STARTUP_MODES[kafka.start])
    options |= {
        "key.fields": "record_key",
        "scan.watermark.idle-timeout": f"{limits.idle_timeout_ms} ms",
        # Flink's default is 5 min, after which the first events of a new partition would be late.
        "scan.topic-partition-discovery.interval": "2 s",
    }
    if config.job.parallelism > 1:
        options["scan.parallelism"] = str(_n_readers(config, part))
    drift_ms = limits.max_partition_drift_panes * config.panes.width_ms
    options |= {
        "scan.watermark.alignment.group": kafka.inference_topic,
        "scan.watermark.alignment.max-drift": f"{drift_ms} ms",
        # Flink stops a partition that is ahead after one or two intervals. What is read meanwhile
        # lies in open panes: with 200 ms that were 22 panes of a partition with few events.
        "scan.watermark.alignment.update-interval": "50 ms",
    }
    if kafka.bounded:
        # Else a short topic would bring one watermark, that of its end, and a model that fell
        # silent in its midst could not be told from those that the end makes silent.
        options["scan.watermark.emit.strategy"] = "on-event"
    if part is not None:
        options |= {
            "scan.startup.mode": "specific-offsets",
            "scan.startup.specific-offsets": _offsets(part.starts),
            "scan.bounded.mode": "specific-offsets",
            "scan.bounded.specific-offsets": _offsets(part.ends),
        }
    return options


def _n_readers(config: DriftJobConfig, part: TopicRange | None) -> int:
    """Give how many subtasks read, as many as there are partitions for.

    One without a partition says that it is idle only when the idle timeout is over, and until then
    event time stands still for all. Partitions that are added later have a reader all the same.
    """
    kafka = config.kafka
    if needs_locating(config):
        # It must see all partitions in the order in which they are read.
        return 1
    if part is not None:
        n_partitions = len(part.starts)
    else:
        servers, properties = kafka.bootstrap_servers, kafka.properties
        n_partitions = count_partitions(servers, properties, kafka.inference_topic)
    return max(1, min(config.job.parallelism, n_partitions))


def _offsets(offsets: Mapping[int, int]) -> str:
    return ";".join(f"partition:{number},offset:{each}" for number, each in offsets.items())
