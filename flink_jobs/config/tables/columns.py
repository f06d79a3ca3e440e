"""The table of a configuration that names the columns of events and says where they are found."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from flink_jobs.config.tables.base import Table
from flink_jobs.records.alerts import OutputKind

MOST_NUMBERS = 100_000
"""Of a vector. Each is a slot with a name: 100 million of them took 6 GB before any check."""
VectorSize = Annotated[int, Meta(ge=1, le=MOST_NUMBERS)]
ColumnName = Annotated[str, Meta(min_length=1, max_length=200)]
PathText = Annotated[str, Meta(min_length=1, max_length=500)]
"""Where a value is found; :func:`flink_jobs.config.paths.parse_path` says how it is written."""
Unit = Annotated[str, Meta(max_length=40)]

FeatureType = Literal["number", "category", "boolean", "vector"]
"""The type of a column: ``vector`` is several numbers, of which ``size`` says the number."""


class FeatureTable(Table, frozen=True, kw_only=True):
    """One column that the model saw.

    Attributes
    ----------
    type : str
    size : int
        The numbers of a vector; 1 for every other type.
    may_be_missing : bool or None
        Whether an event without it can be used; None for ``input.missing_features``.
    path : str or None
        Where it is found; None for its name, below ``columns.features_at``.
    unit : str
        Of a number, for people: it stands behind the numbers that they read.
    """

    type: FeatureType = "number"
    size: VectorSize = 1
    may_be_missing: bool | None = None
    path: PathText | None = None
    unit: Unit = ""


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
    path : str or None
        Where it is found; None for its name, below ``columns.outputs_at``.
    unit : str
        Of a number, for people.
    """

    kind: OutputKind
    class_names: list[ColumnName] = msgspec.field(default_factory=list)
    size: VectorSize | None = None
    may_be_missing: bool = False
    path: PathText | None = None
    unit: Unit = ""


class ColumnsTable(Table, frozen=True, kw_only=True):
    """The columns of events, and where they are found: on a topic and in files alike.

    A place is a path into what an event is (:func:`flink_jobs.config.paths.parse_path`): the object
    in a Kafka record's value or in a line of JSON, or the row of a table. What is not in the value
    of a record has a name of its own: ``@key``, ``@timestamp``, ``@header.NAME``, and ``@ce.NAME``
    for an attribute of a CloudEvent.

    Attributes
    ----------
    model : str or None
        The model's name. None for the key of a record, and for ``model`` in files.
    model_name : str
        The model of every event, where it is said nowhere; empty to look at ``model``.
    time : str or None
        Event time, as a number or as a text with date and time. None for the timestamp of a record,
        and for ``time_ms`` in files.
    time_unit : str
        Of numbers: ``s``, ``ms``, ``us`` or ``ns`` since 1970.
    time_zone : str
        Of texts that name none.
    event_id : str or None
        The events' names. None for ``event_id`` where there is one, or for that of the format;
        empty where there are none. An event is then called after its partition and offset, or
        after its file and row.
    features, outputs : table of columns, str or list of str
        Tables name each column and its type or kind. Without them the vectors of
        ``input.n_features`` and ``input.n_outputs`` numbers are read: from a list, from a pattern
        in which ``*`` is any text, or from the columns one by one. What a pattern finds is put in
        order of the numbers in its names.
    features_at, outputs_at : str
        The object in which features or outputs are found by their names; empty for the event.
    segments : list of str, or table of str to str
        Columns of categories that name subsets of the traffic, by name, or each with its place.
    label : str
        The events' true classes, for shifts that act on classes and for accuracy; empty where there
        are none. An event may lack one.
    files : str
        How the files of a folder lie: ``in_turn`` one after the other in time, in order of their
        names, or ``side_by_side``, such as one for each model; these are merged by event time.
    """

    model: PathText | None = None
    model_name: str = ""
    time: PathText | None = None
    time_unit: Literal["s", "ms", "us", "ns"] = "ms"
    time_zone: str = "UTC"
    event_id: str | None = None
    features: ColumnName | list[ColumnName] | dict[ColumnName, FeatureType | FeatureTable] = (
        "features"
    )
    outputs: ColumnName | list[ColumnName] | dict[ColumnName, OutputKind | OutputTable] = "outputs"
    features_at: str = ""
    outputs_at: str = ""
    segments: list[ColumnName] | dict[ColumnName, PathText] = msgspec.field(default_factory=list)
    label: str = ""
    files: Literal["in_turn", "side_by_side"] = "in_turn"
