"""The drift job: events from Kafka to panes, panes to the monitor, its records to Kafka.

``loudly run`` submits it: ``flink run -pym flink_jobs.flink.job ... --config job.toml``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from msgspec.structs import replace
from pyflink.common import Configuration, Types
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.table import DataTypes, StreamTableEnvironment, Table
from pyflink.table.expressions import col, lit
from pyflink.table.window import Tumble

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import load_config
from flink_jobs.core.artefacts import read_artefacts
from flink_jobs.core.many_models.stage import decides_over_models
from flink_jobs.flink.barrier import behind_barrier
from flink_jobs.flink.control_source import read_commands
from flink_jobs.flink.heartbeats import make_heartbeats
from flink_jobs.flink.located import located_records
from flink_jobs.flink.naming import name_operator
from flink_jobs.flink.operators.many_models import ManyModelsFunction, one_key
from flink_jobs.flink.operators.monitor import (
    AUDITS,
    DEAD_LETTERS,
    EVIDENCE,
    RECORD_TYPE,
    SCORES,
    STATUSES,
    ControlledMonitorFunction,
    MonitorFunction,
    shard_of,
)
from flink_jobs.flink.operators.panes import pack_panes
from flink_jobs.flink.operators.refused import RefusedFunction
from flink_jobs.flink.operators.standing_commands import STANDING_STATE
from flink_jobs.flink.sources import kafka_sink, source_table
from flink_jobs.intake.finding import Found, needs_locating
from flink_jobs.intake.triage import HEARTBEAT, arrivals_query, triage_query
from flink_jobs.kafka.ranges import TopicRange, decode_range_job, whole_topic

_SHORTEST_ROOM_MS = 60_000


def main() -> None:
    """Build the job from a configuration file and submit it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--config", type=Path, help="a configuration file")
    given.add_argument("--range-job", type=Path, help="the same and a part of its topic, JSON")
    arguments = parser.parse_args()
    if arguments.config is not None:
        config, part = load_config(arguments.config), None
    else:
        job = decode_range_job(arguments.range_job.read_bytes())
        config, part = job.config, job.part
    environment = make_environment(config)
    build(environment, config, part)
    # Over a part of a topic a job is one of many, and its group is its own.
    environment.execute(config.job.name if part is None else config.kafka.group_id)


def make_environment(config: DriftJobConfig) -> StreamExecutionEnvironment:
    """The execution environment with everything that results depend on set explicitly."""
    settings = Configuration()
    for key, value in _settings(config).items():
        settings.set_string(key, value)
    environment = StreamExecutionEnvironment.get_execution_environment(settings)
    environment.set_parallelism(config.job.parallelism)
    environment.set_max_parallelism(config.job.max_parallelism)
    return environment


def build(
    environment: StreamExecutionEnvironment,
    config: DriftJobConfig,
    part: TopicRange | None = None,
) -> None:
    """Lay out the whole job graph, over a part of the inference topic if there is one."""
    tables = StreamTableEnvironment.create(environment)
    kafka = config.kafka
    if part is None and kafka.bounded and kafka.start == "earliest" and needs_locating(config):
        # Event time has to know which partitions have come to their end.
        part = whole_topic(config)
    triaged = triage(tables, config, part)
    panes = pane_stream(tables, triaged, config)
    refused = refuse(tables, triaged, config)
    if kafka.control_topic is None:
        alerts = monitor(panes, config)
    else:
        alerts = monitor_with_commands(tables, panes, config)
        _sink(alerts.get_side_output(AUDITS), config, kafka.audit_topic)
    if kafka.evidence_topic is not None:
        _sink(alerts.get_side_output(EVIDENCE), config, kafka.evidence_topic)
    decided = decide_over_models(alerts, config) if decides_over_models(config) else alerts
    _sink(decided, config, kafka.alerts_topic)
    _sink(alerts.get_side_output(SCORES), config, kafka.scores_topic)
    _sink(alerts.get_side_output(DEAD_LETTERS).union(refused), config, kafka.dead_letters_topic)
    if kafka.status_topic is not None:
        _sink(alerts.get_side_output(STATUSES), config, kafka.status_topic)
    if config.input.heartbeat_every_ms and not kafka.bounded:
        sink = kafka_sink(config, kafka.inference_topic, "at_least_once")
        make_heartbeats(tables, config).sink_to(sink).name("heartbeats").uid("sink-heartbeats")


def triage(
    tables: StreamTableEnvironment, config: DriftJobConfig, part: TopicRange | None = None
) -> Table:
    """Read Kafka once and mark every record; both branches share this view.

    Through a DataStream and back. Two queries on the source table would each read the topic, and
    the planner would judge lateness before the shuffle, where each subtask has a watermark of its
    own: rows of one that was idle and resumes would be dropped by the windows, unseen.
    """
    tables.execute_sql(source_table(config, part))
    if needs_locating(config):
        tables.create_temporary_view("located", located_records(tables, config, part))
    part_names = Found.of(config).part_names
    columns = {
        "shard": DataTypes.INT(),
        "model": DataTypes.STRING(),
        "payload": DataTypes.BYTES(),
        "ts": DataTypes.TIMESTAMP_LTZ(3),
        "part": DataTypes.INT(),
        "off": DataTypes.BIGINT(),
        "event_ms": DataTypes.BIGINT(),
        **dict.fromkeys(part_names, DataTypes.STRING()),
        "detail": DataTypes.STRING(),
        "verdict": DataTypes.STRING(),
    }
    query = tables.sql_query(arrivals_query(config))
    stream, arrivals = behind_barrier(tables, query, columns)
    name_operator(stream, "KafkaSource", uid="inference-topic")
    name_operator(stream, "OverAggregate", uid="arrivals")
    tables.create_temporary_view("arrivals", arrivals)
    return tables.sql_query(triage_query(config))


def pane_stream(
    tables: StreamTableEnvironment, triaged: Table, config: DriftJobConfig
) -> DataStream:
    """Rows of (shard, packed panes), widened to those of commands where the job takes commands."""
    pack = pack_panes(config)
    names = ["model", "payload", "part", "off", "event_ms", *Found.of(config).part_names]
    packed = pack(*map(col, names))
    columns = [col("shard"), packed]
    if config.kafka.control_topic is not None:
        # Here, since a stream that becomes a table once more loses its watermarks.
        types = {"part": DataTypes.INT(), "off": DataTypes.BIGINT(), "model": DataTypes.STRING()}
        nothing = [lit(None, each).alias(name) for name, each in types.items()]
        columns[1:] = [packed.alias("data"), *nothing]
    windowed = (
        triaged.where(col("verdict").is_null)
        .window(Tumble.over(lit(config.panes.width_ms).milli).on(col("ts")).alias("pane"))
        .group_by(col("shard"), col("pane"))
        .select(*columns)
    )
    panes = tables.to_data_stream(windowed)
    name_operator(panes, "PythonGroupWindowAggregate", uid="panes")
    return panes


def monitor(panes: DataStream, config: DriftJobConfig) -> DataStream:
    """The stream of alerts; scores and dead letters are its side outputs."""
    function = MonitorFunction(_monitored(config), read_artefacts(config))
    return (
        panes.key_by(shard_of, key_type=Types.INT())
        .process(function, output_type=RECORD_TYPE)
        .name("monitor")
        .uid("monitor")
    )


def monitor_with_commands(
    tables: StreamTableEnvironment, panes: DataStream, config: DriftJobConfig
) -> DataStream:
    """The stream of alerts; audits are a side output besides. Its state is that of ``monitor``."""
    commands = read_commands(tables, config)
    function = ControlledMonitorFunction(_monitored(config), read_artefacts(config))
    return (
        panes.union(commands.to_one)
        .key_by(shard_of, key_type=Types.INT())
        .connect(commands.to_many.broadcast(STANDING_STATE))
        .process(function, output_type=RECORD_TYPE)
        .name("monitor")
        .uid("monitor")
    )


def decide_over_models(alerts: DataStream, config: DriftJobConfig) -> DataStream:
    """The alerts that go on, and those about storms; one subtask sees the alerts of all models.

    Where false discoveries are controlled it sees all scores as well, since all tests count.
    """
    raised = alerts
    if config.false_discoveries is not None:
        raised = alerts.union(alerts.get_side_output(SCORES))
    return (
        raised.key_by(one_key, key_type=Types.INT())
        .process(ManyModelsFunction(config), output_type=RECORD_TYPE)
        .set_parallelism(1)
        .name("many models")
        .uid("many-models")
    )


def refuse(tables: StreamTableEnvironment, triaged: Table, config: DriftJobConfig) -> DataStream:
    """Dead letters for the records that never reach a pane."""
    names = ["model", "payload", "part", "off", "event_ms", "verdict", "detail"]
    is_refused = col("verdict").is_not_null & (col("verdict") != HEARTBEAT)
    refused = triaged.where(is_refused).select(*map(col, names))
    return (
        tables.to_data_stream(refused)
        .map(RefusedFunction(config), output_type=RECORD_TYPE)
        .name("refused events")
        .uid("refused-events")
    )


def _monitored(config: DriftJobConfig) -> DriftJobConfig:
    """The configuration of the monitor, which keeps no evidence where no topic takes it."""
    if config.kafka.evidence_topic is not None:
        return config
    return replace(config, evidence=replace(config.evidence, rows=0))


def _sink(stream: DataStream, config: DriftJobConfig, topic: str) -> None:
    sink = kafka_sink(config, topic, config.job.delivery)
    stream.sink_to(sink).name(topic).uid(f"sink-{topic}")


def _settings(config: DriftJobConfig) -> dict[str, str]:
    return {
        "state.backend.type": config.job.state_backend,
        # For rocksdb alone; a hashmap writes all of its state with each checkpoint.
        "execution.checkpointing.incremental": "true",
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
        # For nothing but the counts of max_raw_events: how long after the last row of a pane its
        # count is kept, by the clock.
        "table.exec.state.ttl": f"{_room_ms(config)} ms",
        "python.execution-mode": "process",
        "python.fn-execution.bundle.size": "10000",
        "python.fn-execution.arrow.batch.size": "10000",
        "python.fn-execution.bundle.time": "200",
        # Changes in this number of shards wait for the end of a bundle; before more do, that of
        # the first is sent.
        "python.state.cache-size": "16",
        # Read entries are kept by flink/state.py.
        "python.map-state.read-cache-size": "0",
        "pipeline.object-reuse": "true",
        **_watermark_settings(config),
    }


def _watermark_settings(config: DriftJobConfig) -> dict[str, str]:
    """Have a bounded job whose times are located move event time with each record.

    As ``scan.watermark.emit.strategy`` does where the source knows event time.
    """
    if needs_locating(config) and config.kafka.bounded:
        return {"pipeline.auto-watermark-interval": "0 ms"}
    return {}


def _room_ms(config: DriftJobConfig) -> int:
    """Give the time after which the count of a pane without a new row is dropped.

    A pane that is still open then, because event time stands still, has room once more. A longer
    time would cost: 10,000 models with 20 events in a pane begin 2,500 counts a second.
    """
    return max(
        _SHORTEST_ROOM_MS, 2 * (config.panes.width_ms + config.input.max_out_of_orderness_ms)
    )


if __name__ == "__main__":
    main()
