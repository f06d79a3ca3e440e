"""The control topic: commands to one model, and commands to many."""

from __future__ import annotations

from typing import NamedTuple

from pyflink.common import Duration, WatermarkStrategy
from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment
from pyflink.table.expressions import col

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.flink.kafka_tables import reading_options, with_clause
from flink_jobs.flink.naming import name_operator, run_alone
from flink_jobs.intake.triage import shard_sql


class Commands(NamedTuple):
    """Rows of (shard, value, partition, offset, model).

    ``to_one`` holds those whose key is a model, ``to_many`` those whose key is a pattern or that
    have no key.
    """

    to_one: DataStream
    to_many: DataStream


def read_commands(tables: StreamTableEnvironment, config: DriftJobConfig) -> Commands:
    """Read the control topic from its beginning, once, and split it.

    Those to many are in the order of the topic for every subtask that takes them, which number
    them. Those to one model may change places on their way through a Python worker.

    A silent control topic must not hold back event time: the stream says at once that it is idle,
    and says so again about half a second after each command. It carries no watermark of its own,
    since one at the end of time would move event time there whenever the inference topic is idle.
    """
    tables.execute_sql(_control_table(config))
    stream = tables.to_data_stream(
        tables.sql_query(
            f"SELECT {shard_sql(config)} AS shard, `data`, part, off, model FROM control"  # noqa: S608
        )
    )
    name_operator(stream, "KafkaSource", uid="control-topic")
    commands = tables.from_data_stream(stream)
    # A pattern holds a *, and a record without a key belongs to no model.
    to_one = col("model").is_not_null & (col("model") != "") & ~col("model").like("%*%")
    return Commands(
        _idle(tables.to_data_stream(commands.where(to_one)), "commands-to-one"),
        run_alone(_idle(tables.to_data_stream(commands.where(~to_one)), "commands-to-many")),
    )


def _idle(stream: DataStream, uid: str) -> DataStream:
    strategy = WatermarkStrategy.no_watermarks().with_idleness(Duration.of_millis(1))
    return stream.assign_timestamps_and_watermarks(strategy).name(uid).uid(uid)


def _control_table(config: DriftJobConfig) -> str:
    topic = config.kafka.control_topic
    assert topic is not None  # noqa: S101 - asked for only where there is one
    options = reading_options(config, topic, "earliest-offset") | {
        "key.fields": "model",
        "scan.parallelism": "1",
    }
    return f"""
        CREATE TEMPORARY TABLE control (
            model STRING,
            `data` BYTES,
            part INT METADATA FROM 'partition' VIRTUAL,
            off BIGINT METADATA FROM 'offset' VIRTUAL
        ) WITH ({with_clause(options)})
    """
