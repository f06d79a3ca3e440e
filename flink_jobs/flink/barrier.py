"""A table that the planner looks into from one side only."""

from __future__ import annotations

from typing import Any

from pyflink.datastream import DataStream
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes, Schema, StreamTableEnvironment, Table
from pyflink.table.types import DataType, RowType, _to_java_data_type
from pyflink.util.java_utils import get_java_class


def behind_barrier(
    tables: StreamTableEnvironment, table: Table, columns: dict[str, DataType]
) -> tuple[DataStream, Table]:
    """Give a table as a stream, and as a table that several queries can share.

    Its rows are computed once for all of them, and nothing of a query that reads it is moved below
    it. They pass through one subtask, so that the watermark behind it is the same for all of them.
    Rows pass as the planner's own: PyFlink alone would make each into objects and back.

    Parameters
    ----------
    tables : StreamTableEnvironment
    table : Table
    columns : dict of str to DataType
        Those of the table; ``ts`` is its time.
    """
    stream, schema = as_stream(tables, table, columns)
    _keep_in_one_subtask(stream._j_data_stream.getTransformation())
    schema = schema.watermark("ts", "SOURCE_WATERMARK()")
    return stream, tables.from_data_stream(stream, schema.build())


def as_stream(
    tables: StreamTableEnvironment, table: Table, columns: dict[str, DataType]
) -> tuple[DataStream, Schema.Builder]:
    """Give a table as a stream of the planner's own rows, and the beginning of their schema."""
    row = DataTypes.ROW([DataTypes.FIELD(name, type_) for name, type_ in columns.items()])
    schema = Schema.new_builder()
    for name, type_ in columns.items():
        schema = schema.column(name, type_)
    return DataStream(tables._j_tenv.toDataStream(table._j_table, _internal(row))), schema


def _keep_in_one_subtask(transformation: Any) -> None:
    """Run what lies behind the last shuffle, and what follows without another, in one subtask.

    With several, one that is idle no longer holds the windows' watermark back: where all sources
    were idle and come back, another subtask moves that watermark past rows that this one has still
    to judge, and the windows drop them unseen. Behind one subtask the windows' watermark is the one
    by which a row was judged, or an earlier one.
    """
    while "PartitionTransformation" not in transformation.getClass().getSimpleName():
        transformation.setParallelism(1)
        transformation = transformation.getInputs()[0]


def _internal(row: RowType) -> Any:
    """The Java type of rows as the planner has them."""
    row_data = get_java_class(get_gateway().jvm.org.apache.flink.table.data.RowData)
    return _to_java_data_type(row).notNull().bridgedTo(row_data)
