"""The table of a configuration that says where a recorded history keeps what."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from flink_jobs.config.tables.base import Table

ColumnName = Annotated[str, Meta(min_length=1)]


class ColumnsTable(Table, frozen=True, kw_only=True):
    """How the columns of a history are called; the job on Flink does not read it.

    Attributes
    ----------
    model : str
        The column with the model's name.
    model_name : str
        The model of every row, for a history without such a column; empty to read the column.
    time : str
        Event time: whole milliseconds since 1970, or timestamps.
    event_id : str
        The column with the events' names; empty where there is none, and an event is then called
        after its file and row.
    features, outputs : str or list of str
        A column of lists, a pattern in which ``*`` is any text, or the columns one by one. What a
        pattern finds is put in order of the numbers in its names.
    label : str
        The column with the events' true classes, for shifts that act on classes and for accuracy;
        empty where there is none. An event may lack one.
    files : str
        How the files of a folder lie: ``in_turn`` one after the other in time, in order of their
        names, or ``side_by_side``, such as one for each model; these are merged by event time.
    """

    model: ColumnName = "model"
    model_name: str = ""
    time: ColumnName = "time_ms"
    event_id: str = "event_id"
    features: ColumnName | list[ColumnName] = "features"
    outputs: ColumnName | list[ColumnName] = "outputs"
    label: str = ""
    files: Literal["in_turn", "side_by_side"] = "in_turn"
