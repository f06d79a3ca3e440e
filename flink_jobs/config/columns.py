"""The typed columns of a model's events, and the floats that stand for them in a pane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.paths import Path, parse_path
from flink_jobs.config.tables.columns import (
    FeatureTable,
    FeatureType,
    OutputTable,
)
from flink_jobs.records.alerts import OutputKind

Role = Literal["feature", "output", "segment", "label"]

BOOLEAN_TEXTS = ("false", "true")
"""The texts of a boolean column, which is a category of these two."""

_VECTOR_KINDS = ("class_probabilities", "probabilities", "embedding")
_SAYS_A_CLASS = ("class_probabilities", "probability", "class")


@dataclass(frozen=True)
class Column:
    """A named, typed value of each event of a model.

    Attributes
    ----------
    name : str
    type : str
        ``number``, ``category``, ``boolean`` or ``vector``.
    role : str
        ``feature``, ``output``, ``segment`` or ``label``.
    size : int
        The numbers of a vector; 1 for every other type.
    may_be_missing : bool
    kind : str or None
        The kind of an output; None for every other role.
    class_names : tuple of str
        Names of a vector's elements; empty where they have none.
    paths : tuple of Path
        Where it is found: one place, or one for each element of a vector; empty where a pattern
        says which columns of a table they are.
    unit : str
        Of its numbers, for people.
    """

    name: str
    type: FeatureType
    role: Role
    size: int = 1
    may_be_missing: bool = False
    kind: OutputKind | None = None
    class_names: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    unit: str = ""

    def __hash__(self) -> int:
        # Of all fields it took 8 ns each, for every column of every block of events.
        return hash(self.name)

    @property
    def is_category(self) -> bool:
        """Tell whether its values are texts out of a set rather than numbers."""
        return self.type in ("category", "boolean")

    @property
    def is_elementwise(self) -> bool:
        """Tell whether each element of a vector has a place of its own."""
        # A list of one name is that of one element.
        return len(self.paths) > 1 or (self.size == 1 and bool(self.class_names))


@dataclass(frozen=True)
class Slot:
    """One float of an event in a pane.

    Attributes
    ----------
    name : str
        The column's name; for an element of a vector its class name, or ``name[3]``.
    column : Column
    is_category : bool
        Whether the float is the code of a text.
    """

    name: str
    column: Column
    is_category: bool


def columns_of(config: DriftJobConfig) -> tuple[Column, ...]:
    """List the columns of a model's events: features, outputs, segments, label.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... columns = {features = {age = "number", plan = "category"}, segments = ["region"]}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> [(column.name, column.type) for column in columns_of(config)]
    [('age', 'number'), ('plan', 'category'), ('region', 'category')]
    """
    table = config.columns
    named = [*_features(config), *_outputs(config), *_segments(config)]
    if table.label and not _is_history_label(config):
        path = parse_path(table.label)
        named.append(Column(table.label, "category", "label", may_be_missing=True, paths=(path,)))
    return tuple(named)


def slots_of(columns: Iterable[Column]) -> tuple[Slot, ...]:
    """List the floats that stand for columns, in their order.

    Examples
    --------
    >>> [slot.name for slot in slots_of([Column("x", "vector", "feature", size=2)])]
    ['x[0]', 'x[1]']
    """
    return tuple(slot for column in columns for slot in _slots(column))


def are_named(config: DriftJobConfig) -> bool:
    """Tell whether the configuration names the columns rather than counts those of vectors."""
    return isinstance(config.columns.features, dict) or isinstance(config.columns.outputs, dict)


def answer_of(config: DriftJobConfig) -> Column | None:
    """Find the output that true labels are held against: the first one that says a class."""
    outputs = _outputs(config)
    return next((column for column in outputs if column.kind in _SAYS_A_CLASS), None)


def _is_history_label(config: DriftJobConfig) -> bool:
    """Tell a label for accuracy and simulated shifts alone, which no pane carries."""
    return not are_named(config)


def _features(config: DriftJobConfig) -> Iterator[Column]:
    allows_missing = config.input.missing_features == "allow"
    features = config.columns.features
    at = _path(config.columns.features_at)
    if not isinstance(features, dict):
        if n := config.input.n_features:
            yield Column(
                "features",
                "vector",
                "feature",
                n,
                allows_missing,
                class_names=_element_names(features),
                paths=_vector_paths(at, features),
            )
        return
    for name, given in features.items():
        table = given if isinstance(given, FeatureTable) else FeatureTable(type=given)
        may_be_missing = allows_missing if table.may_be_missing is None else table.may_be_missing
        yield Column(
            name,
            table.type,
            "feature",
            table.size,
            may_be_missing,
            paths=(_own_path(at, name, table.path),),
            unit=table.unit,
        )


def _outputs(config: DriftJobConfig) -> Iterator[Column]:
    outputs = config.columns.outputs
    at = _path(config.columns.outputs_at)
    if not isinstance(outputs, dict):
        if n := config.input.n_outputs:
            yield Column(
                "outputs",
                "vector",
                "output",
                n,
                kind="class_probabilities",
                class_names=_element_names(outputs),
                paths=_vector_paths(at, outputs),
            )
        return
    for name, given in outputs.items():
        table = given if isinstance(given, OutputTable) else OutputTable(kind=given)
        yield _output(name, table, _own_path(at, name, table.path))


def _segments(config: DriftJobConfig) -> Iterator[Column]:
    segments = config.columns.segments
    named = segments if isinstance(segments, dict) else dict.fromkeys(segments)
    for name, text in named.items():
        path = _own_path((), name, text)
        yield Column(name, "category", "segment", may_be_missing=True, paths=(path,))


def _path(text: str) -> Path:
    return parse_path(text) if text else ()


def _own_path(at: Path, name: str, text: str | None) -> Path:
    """Return the path that is given, or the name below the object of the role."""
    return (*at, name) if text is None else parse_path(text)


def _vector_paths(at: Path, given: str | list[str]) -> tuple[Path, ...]:
    if isinstance(given, list):
        return tuple((*at, name) for name in given)
    return () if "*" in given else ((*at, *parse_path(given)),)


def _element_names(given: str | list[str]) -> tuple[str, ...]:
    """Take the names that the columns of a recorded history give to the elements of a vector."""
    return tuple(given) if isinstance(given, list) else ()


def _output(name: str, table: OutputTable, path: Path) -> Column:
    is_vector = table.kind in _VECTOR_KINDS
    kinds: dict[bool, FeatureType] = {True: "category", False: "number"}
    return Column(
        name,
        "vector" if is_vector else kinds[table.kind == "class"],
        "output",
        table.size or max(1, len(table.class_names)) if is_vector else 1,
        table.may_be_missing,
        table.kind,
        tuple(table.class_names),
        (path,),
        table.unit,
    )


def _slots(column: Column) -> Iterator[Slot]:
    if column.type != "vector":
        yield Slot(column.name, column, column.is_category)
        return
    is_named = len(column.class_names) == column.size
    for place in range(column.size):
        named = column.class_names[place] if is_named else f"{column.name}[{place}]"
        yield Slot(named, column, is_category=False)
