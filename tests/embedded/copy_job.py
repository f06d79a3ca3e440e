"""A small job for a real cluster: a Kafka topic up to its end, in capitals, through Python."""

import sys

from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import DataTypes, StreamTableEnvironment
from pyflink.table.udf import udf


@udf(result_type=DataTypes.STRING())
def shout(text: str) -> str:
    return text.upper()


def main(bootstrap_servers: str, source: str, sink: str) -> None:
    tables = StreamTableEnvironment.create(StreamExecutionEnvironment.get_execution_environment())
    connector = (
        "'connector'='kafka', 'value.format'='raw', "
        f"'properties.bootstrap.servers'='{bootstrap_servers}'"
    )
    tables.execute_sql(
        f"CREATE TABLE source_topic (line STRING) WITH ({connector}, 'topic'='{source}', "
        "'scan.startup.mode'='earliest-offset', 'scan.bounded.mode'='latest-offset')"
    )
    tables.execute_sql(
        f"CREATE TABLE sink_topic (line STRING) WITH ({connector}, 'topic'='{sink}')"
    )
    lines = tables.from_path("source_topic")
    lines.select(shout(lines.line)).execute_insert("sink_topic")


if __name__ == "__main__":
    main(*sys.argv[1:])
