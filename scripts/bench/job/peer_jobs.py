"""The jobs that the drift job is compared with, on the same source. Runs on the cluster.

``identity`` sends each event through one Python map and back. ``plain`` is the job that one would
write first: parse each event, key by model, keep the outputs of a window in list state. ``count``
has no Python: SQL counts the events of each model and pane, the least that any job with panes does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from pyflink.common import Row, Types
from pyflink.datastream import (
    DataStream,
    KeyedProcessFunction,
    MapFunction,
    RuntimeContext,
)
from pyflink.datastream.connectors.base import Sink
from pyflink.datastream.state import ListStateDescriptor, ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import load_config
from flink_jobs.flink.job import make_environment
from flink_jobs.flink.sources import kafka_sink, source_table
from flink_jobs.intake.formats.json import HEARTBEAT_KEY

WINDOW_EVENTS = 1_000
# A pane is counted when a watermark has passed it: the default, 200 ms, is a tenth of a run.
_WATERMARK_MS = 20


class Identity(MapFunction):  # type: ignore[misc]
    """Hands each row back and counts it."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Register the counter that shows that every event came through."""
        self._counter = runtime_context.get_metrics_group().add_group("loudly").counter("events")

    def map(self, value: Row) -> Row:
        """Count and return."""
        self._counter.inc()
        return value


class Parse(MapFunction):  # type: ignore[misc]
    """(model, payload) to (model, outputs)."""

    def map(self, value: Row) -> Row:
        """Parse the JSON payload."""
        model, payload = value
        return Row(model, json.loads(payload)["outputs"] if payload else [])


class CollectWindows(KeyedProcessFunction):  # type: ignore[misc]
    """Keeps the outputs of a window in list state and empties it when the window is full."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Open state and counter."""
        row = Types.LIST(Types.DOUBLE())
        self._outputs = runtime_context.get_list_state(ListStateDescriptor("outputs", row))
        self._count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))
        self._counter = runtime_context.get_metrics_group().add_group("loudly").counter("events")

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Append one event; emit the number of events of a full window."""
        model, outputs = value
        self._counter.inc()
        self._outputs.add(outputs)
        count = (self._count.value() or 0) + 1
        if count == WINDOW_EVENTS:
            yield Row(model, len(list(self._outputs.get())))
            self._outputs.clear()
            count = 0
        self._count.update(count)


def model_of(row: Row) -> str:
    """The key of a row."""
    return str(row[0])


def identity(events: DataStream) -> DataStream:
    """One Python map."""
    row_type = Types.ROW_NAMED(
        ["record_key", "payload"], [Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())]
    )
    return events.map(Identity(), output_type=row_type).name("peer")


def plain(events: DataStream) -> DataStream:
    """Parse, key by model, keep a window in list state."""
    parsed = Types.ROW([Types.STRING(), Types.LIST(Types.DOUBLE())])
    return (
        events.map(Parse(), output_type=parsed)
        .key_by(model_of, key_type=Types.STRING())
        .process(CollectWindows(), output_type=Types.ROW([Types.STRING(), Types.LONG()]))
        .name("peer")
    )


def count_panes(tables: StreamTableEnvironment, config: DriftJobConfig) -> None:
    """Count the events of each model and pane; the counts go where the scores would."""
    tables.get_config().set_local_timezone("UTC")
    counts = tables.sql_query(f"""
        SELECT
            CAST(record_key AS BYTES),
            CAST(CONCAT_WS(',', CAST(window_end AS STRING), CAST(COUNT(*) AS STRING)) AS BYTES)
        FROM TABLE(
            TUMBLE(
                TABLE records, DESCRIPTOR(ts), INTERVAL '{config.panes.width_ms // 1_000}' SECOND
            )
        )
        WHERE record_key <> '{HEARTBEAT_KEY}'
        GROUP BY record_key, window_start, window_end
    """)
    sink = kafka_sink(config, config.kafka.scores_topic, "at_least_once")
    tables.to_data_stream(counts).sink_to(sink).name("peer")


def main() -> None:
    """Build one of the jobs and submit it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", choices=["identity", "plain", "count"], required=True)
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    environment = make_environment(config)
    tables = StreamTableEnvironment.create(environment)
    tables.execute_sql(source_table(config))
    if arguments.peer == "count":
        environment.get_config().set_auto_watermark_interval(_WATERMARK_MS)
        count_panes(tables, config)
    else:
        _per_event(tables, arguments.peer)
    environment.execute(arguments.peer)


def _per_event(tables: StreamTableEnvironment, peer: str) -> None:
    events = tables.to_data_stream(
        tables.sql_query(
            f"SELECT record_key, payload FROM records WHERE record_key <> '{HEARTBEAT_KEY}'"
        )
    )
    results = {"identity": identity, "plain": plain}[peer](events)
    discard = get_gateway().jvm.org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink()
    results.sink_to(Sink(discard))


if __name__ == "__main__":
    main()
