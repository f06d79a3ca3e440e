"""The drift job: events from Kafka to panes, panes to the monitor, its records to Kafka.

``loudly run`` submits it: ``flink run -pym flink_jobs.flink.drift_job ... --config job.toml``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pyflink.common import Configuration, Types
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.table import DataTypes, Schema, StreamTableEnvironment, Table
from pyflink.table.expressions import col, lit
from pyflink.table.window import Tumble

from flink_jobs.config import DriftJobConfig
from flink_jobs.config_file import load_config
from flink_jobs.flink.connectors import HEARTBEAT, kafka_sink, source_table, triage_query
from flink_jobs.flink.monitor_function import (
    DEAD_LETTERS,
    RECORD_TYPE,
    SCORES,
    MonitorFunction,
    model_of,
)
from flink_jobs.flink.pane_function import pack_pane
from flink_jobs.flink.refused_function import RefusedFunction
from flink_jobs.trained_reference import fit_training_set


def main() -> None:
    """Build the job from a configuration file and submit it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True)
    config = load_config(parser.parse_args().config)
    environment = make_environment(config)
    build(environment, config)
    environment.execute(config.job.name)


def make_environment(config: DriftJobConfig) -> StreamExecutionEnvironment:
    """The execution environment with everything that results depend on set explicitly."""
    settings = Configuration()
    for key, value in _settings(config).items():
        settings.set_string(key, value)
    environment = StreamExecutionEnvironment.get_execution_environment(settings)
    environment.set_parallelism(config.job.parallelism)
    environment.set_max_parallelism(config.job.max_parallelism)
    return environment


def build(environment: StreamExecutionEnvironment, config: DriftJobConfig) -> None:
    """Lay out the whole job graph."""
    tables = StreamTableEnvironment.create(environment)
    triaged = triage(tables, config)
    panes = pack_panes(tables, triaged, config)
    alerts, scores, dead_letters = monitor(panes, config)
    refused = refuse(tables, triaged, config)
    kafka = config.kafka
    _sink(alerts, config, kafka.alerts_topic)
    _sink(scores, config, kafka.scores_topic)
    _sink(dead_letters.union(refused), config, kafka.dead_letters_topic)


def triage(tables: StreamTableEnvironment, config: DriftJobConfig) -> Table:
    """Read Kafka once and mark every record; both branches share this view.

    Through a DataStream and back: two queries on the source table would each read the topic.
    """
    tables.execute_sql(source_table(config))
    stream = tables.to_data_stream(tables.sql_query(triage_query(config)))
    schema = (
        Schema.new_builder()
        .column("model", DataTypes.STRING())
        .column("payload", DataTypes.BYTES())
        .column("ts", DataTypes.TIMESTAMP_LTZ(3))
        .column("part", DataTypes.INT())
        .column("off", DataTypes.BIGINT())
        .column("event_ms", DataTypes.BIGINT())
        .column("verdict", DataTypes.STRING())
        .watermark("ts", "SOURCE_WATERMARK()")
        .build()
    )
    return tables.from_data_stream(stream, schema)


def pack_panes(
    tables: StreamTableEnvironment, triaged: Table, config: DriftJobConfig
) -> DataStream:
    """Rows of (model, packed pane)."""
    pack = pack_pane(config)
    windowed = (
        triaged.where(col("verdict").is_null)
        .window(Tumble.over(lit(config.panes.width_ms).milli).on(col("ts")).alias("pane"))
        .group_by(col("model"), col("pane"))
        .select(
            col("model"),
            pack(col("model"), col("payload"), col("part"), col("off"), col("event_ms")),
        )
    )
    return tables.to_data_stream(windowed)


def monitor(panes: DataStream, config: DriftJobConfig) -> tuple[DataStream, DataStream, DataStream]:
    """Streams of alerts, scores and dead letters."""
    alerts = (
        panes.key_by(model_of, key_type=Types.STRING())
        .process(MonitorFunction(config, fit_training_set(config)), output_type=RECORD_TYPE)
        .name("monitor")
        .uid("monitor")
    )
    return alerts, alerts.get_side_output(SCORES), alerts.get_side_output(DEAD_LETTERS)


def refuse(tables: StreamTableEnvironment, triaged: Table, config: DriftJobConfig) -> DataStream:
    """Dead letters for the records that never reach a pane."""
    refused = triaged.where(col("verdict").is_not_null & (col("verdict") != HEARTBEAT)).select(
        col("model"), col("payload"), col("part"), col("off"), col("event_ms"), col("verdict")
    )
    return (
        tables.to_data_stream(refused)
        .map(RefusedFunction(config.input), output_type=RECORD_TYPE)
        .name("refused events")
        .uid("refused-events")
    )


def _sink(stream: DataStream, config: DriftJobConfig, topic: str) -> None:
    sink = kafka_sink(config, topic, RECORD_TYPE)
    stream.sink_to(sink).name(topic).uid(f"sink-{topic}")


def _settings(config: DriftJobConfig) -> dict[str, str]:
    return {
        "execution.checkpointing.interval": f"{config.job.checkpoint_interval_ms} ms",
        # The state is exact in both delivery modes, which concern the sinks alone: at-least-once
        # state would apply panes twice, and a replayed alert would differ from the first one.
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        # With a fixed number of attempts an outage of a TaskManager would burn one every 0.1 s.
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "1 min",
        # Panes are aligned with the epoch, wherever the cluster stands.
        "table.local-time-zone": "UTC",
        "table.exec.uid.generation": "ALWAYS",
        "python.execution-mode": "process",
        "python.fn-execution.bundle.size": "10000",
        "python.fn-execution.arrow.batch.size": "10000",
        "python.fn-execution.bundle.time": "200",
        # An uncached read costs about 1 ms. The hot value of a model is its recent block: 40 kB for
        # 500 events in 10 dimensions, so 400 MB for 10,000 models.
        "python.state.cache-size": "10000",
    }


if __name__ == "__main__":
    main()
