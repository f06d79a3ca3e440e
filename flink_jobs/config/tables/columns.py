"""The table of a configuration that names the columns of events and says where they are found."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from flink_jobs.config.tables.base import Table

MOST_NUMBERS = 100_000
"""Of a vector. Each is a slot with a name: 100 million of them took 6 GB before any check."""
VectorSize = Annotated[int, Meta(ge=1, le=MOST_NUMBERS)]
ColumnName = Annotated[str, Meta(min_length=1, max_length=200)]

FeatureType = Literal["number", "category", "boolean", "vector"]
"""The type of a column: ``vector`` is several numbers, of which ``size`` says the number."""

OutputKind = Literal[
    "class_probabilities", "probability", "number", "probabilities", "class", "embedding"
]
"""The kind of an output: the probabilities of all classes, which sum to 1; one probability; a
number, of a regression or a ranking; probabilities of labels that do not exclude each other; the
predicted class itself; or a vector in a space of its own."""


class FeatureTable(Table, frozen=True, kw_only=True):
    """One column that the model saw.

    Attributes
    ----------
    type : str
    size : int
        The numbers of a vector; 1 for every other type.
    may_be_missing : bool or None
        Whether an event without it can be used; None for ``input.missing_features``.
    """

    type: FeatureType = "number"
    size: VectorSize = 1
    may_be_missing: bool | None = None


class OutputTable(Table, frozen=True, kw_only=True):
    """One column that the model answered.

    Attributes
    ----------
    kind : str
    class_names : list of str
        Names of the elements of class probabilities, or of independent probabilities.
    size : int or None
        The elements of a vector; the number of ``class_names`` by default.
    may_be_missing : bool
        Whether an event without it can be used.
    """

    kind: OutputKind
    class_names: list[ColumnName] = msgspec.field(default_factory=list)
    size: VectorSize | None = None
    may_be_missing: bool = False


class ColumnsTable(Table, frozen=True, kw_only=True):
    """The columns of events, and how those of a recorded history are called.

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
    features, outputs : table of columns, str or list of str
        Tables name each column and its type or kind. Without them the vectors of
        ``input.n_features`` and ``input.n_outputs`` numbers are read: of a history from a column of
        lists, from a pattern in which ``*`` is any text, or from the columns one by one. What a
        pattern finds is put in order of the numbers in its names.
    segments : list of str
        Columns of categories that name subsets of the traffic.
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
    features: ColumnName | list[ColumnName] | dict[ColumnName, FeatureType | FeatureTable] = (
        "features"
    )
    outputs: ColumnName | list[ColumnName] | dict[ColumnName, OutputKind | OutputTable] = "outputs"
    segments: list[ColumnName] = msgspec.field(default_factory=list)
    label: str = ""
    files: Literal["in_turn", "side_by_side"] = "in_turn"
