"""A job without Python workers that writes the soak's events, about 100,000 a second.

Runs on the cluster. Flink's generator draws whole numbers; SQL makes JSON of them. Three shares of
a million are a distribution whatever the generator draws, and drifting models swap two of them.
"""

from __future__ import annotations

import sys

from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

_GENERATOR = """
    CREATE TABLE numbers (id BIGINT, a INT, b INT, x INT, y INT) WITH (
        'connector' = 'datagen', 'rows-per-second' = '10000000', 'number-of-rows' = '{n_events}',
        'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{last}',
        'fields.a.min' = '1', 'fields.a.max' = '499999',
        'fields.b.min' = '1', 'fields.b.max' = '499999',
        'fields.x.min' = '0', 'fields.x.max' = '999999',
        'fields.y.min' = '0', 'fields.y.max' = '999999'
    )
"""
_SINK = """
    CREATE TABLE events (
        model STRING, payload STRING, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
    ) WITH (
        'connector' = 'kafka', 'properties.bootstrap.servers' = '{servers}', 'topic' = '{topic}',
        'key.format' = 'raw', 'key.fields' = 'model',
        'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY',
        'properties.linger.ms' = '50', 'properties.batch.size' = '500000'
    )
"""
_INSERT = """
    INSERT INTO events
    SELECT
        CONCAT('model-', LPAD(CAST(model AS STRING), 4, '0')),
        CONCAT(
            '{{"schema_version":1,"event_id":"', CAST(id AS STRING),
            '","features":[', x, ',', y, '],"outputs":[',
            IF(is_shifted, c, a), ',', b, ',', IF(is_shifted, a, c), ']}}'
        ),
        TO_TIMESTAMP_LTZ({start_ms} + id * {width_ms} / {per_pane}, 3)
    FROM (
        SELECT
            id,
            MOD(id, {n_models}) AS model,
            MOD(id, {n_models}) >= {first_drifting}
                AND MOD(id / ({per_pane} * {drift_panes}), 2) = 1 AS is_shifted,
            {x} AS x, {y} AS y, {a} AS a, {b} AS b, {c} AS c
        FROM numbers
    )
"""


def main(
    servers: str,
    topic: str,
    n_events: str,
    n_models: str,
    events_per_pane: str,
    width_ms: str,
    start_ms: str,
    n_drifting: str,
    drift_panes: str,
) -> None:
    """Write the events and end."""
    tables = StreamTableEnvironment.create(StreamExecutionEnvironment.get_execution_environment())
    tables.get_config().set_local_timezone("UTC")
    tables.execute_sql(_GENERATOR.format(n_events=n_events, last=int(n_events) - 1))
    tables.execute_sql(_SINK.format(servers=servers, topic=topic))
    columns = {name: _millionths(name) for name in ("a", "b", "x", "y")}
    insert = _INSERT.format(
        n_models=n_models,
        per_pane=int(events_per_pane) * int(n_models),
        width_ms=width_ms,
        start_ms=start_ms,
        first_drifting=int(n_models) - int(n_drifting),
        drift_panes=drift_panes,
        c=_millionths("1000000 - a - b"),
        **columns,
    )
    tables.execute_sql(insert)


def _millionths(number: str) -> str:
    """SQL for a number below a million as a decimal fraction; a double would print as 1.0E-6."""
    return f"CONCAT('0.', LPAD(CAST({number} AS STRING), 6, '0'))"


if __name__ == "__main__":
    main(*sys.argv[1:])
