"""Heartbeats that the job itself writes to the inference topic."""

from __future__ import annotations

from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.flink.naming import name_operator
from flink_jobs.intake.finding import EVENT_MS
from flink_jobs.intake.formats.json import HEARTBEAT_KEY

# Flink's generator wakes once a second, a few milliseconds late: a narrower gate would miss some.
_GATE_MS = 1_100


def make_heartbeats(tables: StreamTableEnvironment, config: DriftJobConfig) -> DataStream:
    """Rows of (key, value, time) with the clock's time, made on the JVM.

    At most one a second, whatever the period; now and then a longer period has two.
    """
    every_ms = config.input.heartbeat_every_ms
    tables.execute_sql("""
        CREATE TEMPORARY TABLE ticks (
            tick BOOLEAN,
            ts AS CURRENT_ROW_TIMESTAMP(),
            WATERMARK FOR ts AS ts
        ) WITH (
            'connector' = 'datagen',
            'rows-per-second' = '1',
            'scan.parallelism' = '1'
        )
    """)
    stream = tables.to_data_stream(
        tables.sql_query(f"""
            SELECT ENCODE('{HEARTBEAT_KEY}', 'UTF-8') AS `key`, ENCODE('', 'UTF-8') AS `value`, ts
            FROM ticks WHERE MOD({EVENT_MS}, {every_ms}) < {_GATE_MS}
        """)  # noqa: S608 - the numbers and the name in it are ours
    )
    name_operator(stream, "ticks", uid="heartbeats")
    return stream
