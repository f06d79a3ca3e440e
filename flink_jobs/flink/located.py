"""The inference topic where model or event time lie within payloads, headers or attributes."""

from __future__ import annotations

from pyflink.table import DataTypes, StreamTableEnvironment, Table

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.flink.barrier import as_stream
from flink_jobs.flink.naming import name_operator, run_alone
from flink_jobs.flink.operators.locate import found_type, locate
from flink_jobs.intake.finding import EVENT_MS, Found, key_sql, needs_payload, parts_sql
from flink_jobs.kafka.ranges import TopicRange
from flink_jobs.kafka.topics import count_partitions
from flink_jobs.times import LAST_MS


def located_records(
    tables: StreamTableEnvironment, config: DriftJobConfig, part: TopicRange | None
) -> Table:
    """Give the records with model and event time, and a watermark that is right for these.

    Read and located in one subtask: only what sees all partitions knows how far each has come. The
    watermark of the source, which is that of records' timestamps, ends here.
    """
    if part is None:
        function = locate(config, range(_count(config)), {})
    else:
        holding = [number for number, end in part.ends.items() if part.starts[number] < end]
        function = locate(config, holding, part.ends)
    tables.create_temporary_function("find_event", function)
    columns = {
        "payload": DataTypes.BYTES(),
        "part": DataTypes.INT(),
        "off": DataTypes.BIGINT(),
        **dict.fromkeys(Found.of(config).part_names, DataTypes.STRING()),
        "found": found_type(),
    }
    query = tables.sql_query(locating_query(config))
    stream, schema = as_stream(tables, query, columns)
    run_alone(stream)
    name_operator(stream, "KafkaSource", uid="inference-topic")
    name_operator(stream, "PythonCalc", uid="locate")
    # Beyond the barrier, or the planner would call the function for each of them.
    for name in ("model", "event_ms", "reason", "detail"):
        schema = schema.column_by_expression(name, f"found.{name}")
    # What lies beyond has no date, and is refused as too far in the future.
    event_ms = f"LEAST(found.event_ms, {LAST_MS})"
    schema = schema.column_by_expression("ts", f"TO_TIMESTAMP_LTZ({event_ms}, 3)")
    schema = schema.watermark("ts", "TO_TIMESTAMP_LTZ(found.watermark_ms, 3)")
    return tables.from_data_stream(stream, schema.build())


def locating_query(config: DriftJobConfig) -> str:
    """Write the query that looks into each record once; oversized payloads stay unread."""
    parts = parts_sql(config)
    names = Found.of(config).part_names
    most = config.input.max_payload_bytes
    # A payload that is NULL everywhere would be a literal, which comes as no column.
    readable = ["readable"] if needs_payload(config) else []
    arguments = ", ".join(["record_key", "part", "off", "event_ms", *readable, *names])
    return f"""
        SELECT {", ".join(["payload", "part", "off", *names])}, find_event({arguments}) AS found
        FROM (
            SELECT {", ".join([f"{key_sql()} AS record_key", "payload", "part", "off", *parts])},
                {EVENT_MS} AS event_ms,
                CASE WHEN CAST(payload AS VARBINARY({most})) = payload THEN payload END AS readable
            FROM records
        )
    """  # noqa: S608 - the numbers and names in it are ours, or quoted


def _count(config: DriftJobConfig) -> int:
    kafka = config.kafka
    return count_partitions(kafka.bootstrap_servers, kafka.properties, kafka.inference_topic)
