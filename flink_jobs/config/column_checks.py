"""Rules of a configuration about the columns of events and the views of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from flink_jobs.config.columns import Column, are_named, columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.columns import FeatureTable, OutputTable
from flink_jobs.config.tables.detectors import (
    ChiSquareConfig,
    CramerVonMisesConfig,
    HardPredictionsConfig,
    JensenShannonConfig,
    KSConfig,
    MixedConfig,
    NoReductionConfig,
    OwnClassifierConfig,
    OwnModelConfig,
    PCAConfig,
    PredictedClass,
    PSIConfig,
    SoftmaxOutputsConfig,
    TestConfig,
    WassersteinConfig,
    kind_and_parameters,
)
from flink_jobs.config.tables.references import FirstEvents
from flink_jobs.config.tables.watching import ViewTable
from flink_jobs.config.views import View, columns_of_view, named_columns

_ROLES = ("features", "outputs")
_OF_ELEMENTS = ("class_probabilities", "probabilities")
_ON_NUMBERS = KSConfig | PSIConfig | JensenShannonConfig | CramerVonMisesConfig | WassersteinConfig
# What the keys of a msgspec struct cannot hold; nobody calls a column so.
_UNREADABLE = re.compile(r'["\\\x00-\x1f]')


def check_columns(config: DriftJobConfig) -> Iterator[Problem]:
    """Yield what is wrong with the table ``columns``."""
    if not are_named(config):
        return
    for key in ("n_features", "n_outputs"):
        if n := getattr(config.input, key):
            yield Problem(f"input.{key}", f"{n}, though columns are named", "0: names say it")
    yield from _check_names(config)
    for role in _ROLES:
        given = getattr(config.columns, role)
        for name, table in given.items() if isinstance(given, dict) else ():
            # Features may be written as their type alone, outputs as their kind.
            kind: type[FeatureTable | OutputTable] = FeatureTable
            key = "type"
            if role == "outputs":
                kind, key = OutputTable, "kind"
            whole = msgspec.convert({key: table}, kind) if isinstance(table, str) else table
            yield from _check_table(f"columns.{role}.{name}", whole)


def _check_names(config: DriftJobConfig) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    columns = columns_of(config)
    for column in columns:
        key = _key(column)
        if column.name in taken:
            wrong = f"{column.name!r} is also in {taken[column.name]}"
            yield Problem(key, wrong, "a name of its own for each column")
        taken[column.name] = key
        if _UNREADABLE.search(column.name):
            allowed = "names without quotation marks, backslashes and control characters"
            yield Problem(key, f"{column.name!r} cannot be read from JSON", allowed)
        if column.name in _ROLES and not _is_alone(column, columns):
            wrong = f"{column.name!r} means all columns of that role"
            yield Problem(key, wrong, "another name, but for a vector that is the only one")


def _is_alone(column: Column, columns: tuple[Column, ...]) -> bool:
    """Tell whether a vector that is called as its role is all that there is of it."""
    own = [other for other in columns if other.role == column.role]
    return own == [column] and column.type == "vector" and f"{column.role}s" == column.name


def _key(column: Column) -> str:
    return "columns.label" if column.role == "label" else f"columns.{column.role}s"


def _check_table(key: str, table: FeatureTable | OutputTable) -> Iterator[Problem]:
    if isinstance(table, OutputTable):
        yield from _check_output(key, table)
    elif table.type == "vector" and table.size < 2:
        yield Problem(f"{key}.size", f"{table.size} number", '2 or more, or type = "number"')
    elif table.type != "vector" and table.size > 1:
        yield Problem(f"{key}.size", f"{table.size}, for a {table.type}", 'type = "vector"')


def _check_output(key: str, table: OutputTable) -> Iterator[Problem]:
    kind, names = table.kind, table.class_names
    has_elements = kind in (*_OF_ELEMENTS, "embedding")
    if names and kind not in _OF_ELEMENTS:
        yield Problem(f"{key}.class_names", f"of the kind {kind}", f"of {', '.join(_OF_ELEMENTS)}")
        return
    if len(set(names)) < len(names):
        yield Problem(f"{key}.class_names", "a name comes twice", "a name of its own for each")
    if names and table.size not in (None, len(names)):
        wrong = f"{table.size}, and there are {len(names)} class_names"
        yield Problem(f"{key}.size", wrong, f"{len(names)}, or nothing")
    if not has_elements and table.size not in (None, 1):
        yield Problem(f"{key}.size", f"{table.size}, for the kind {kind}", "nothing")
    if has_elements and max(table.size or 0, len(names)) < 2:
        of = "size" if kind == "embedding" else "class_names or size"
        yield Problem(f"{key}.size", f"the kind {kind} has several elements", f"{of} of 2 or more")


def check_view_tables(config: DriftJobConfig) -> Iterator[Problem]:
    """Yield what is wrong with the names of views and the columns that they name."""
    if config.views:
        yield from _check_main_tables(config)
    seen: set[str] = set()
    known = {column.name for column in columns_of(config)} | set(_ROLES)
    for place, table in enumerate(config.views):
        key = f"views[{place}]"
        if table.name in seen:
            yield Problem(f"{key}.name", f"{table.name!r} is taken", "a name of its own")
        seen.add(table.name)
        for name in table.columns:
            if name not in known:
                yield Problem(f"{key}.columns", f"{name!r} is unknown", ", ".join(sorted(known)))
        if not columns_of_view(config, table) and set(table.columns) <= known:
            wrong = f"there are no {' and no '.join(table.columns)}"
            yield Problem(f"{key}.columns", wrong, "columns that the table columns names")


def check_evidence_columns(config: DriftJobConfig) -> Iterator[Problem]:
    """Refuse columns of evidence that no event has."""
    known = {column.name for column in columns_of(config)} | set(_ROLES)
    for name in config.evidence.columns:
        if name not in known:
            yield Problem("evidence.columns", f"{name!r} is unknown", ", ".join(sorted(known)))
        elif not named_columns(config, [name]):
            wrong = f"there are no {name}"
            yield Problem("evidence.columns", wrong, "columns that the table columns names")


def _check_main_tables(config: DriftJobConfig) -> Iterator[Problem]:
    """Refuse what would be passed over: with views, detectors belong to them."""
    if config.detectors:
        yield Problem("detectors", "there are views", "views[0].detectors and so on")
    for name in ("reducer", "test"):
        if getattr(config.detector, name) is not None:
            yield Problem(f"detector.{name}", "there are views", f"views[0].{name} and so on")


def check_reducer(config: DriftJobConfig, view: View, key: str) -> Iterator[Problem]:
    """Yield what is wrong with a view's reducer, which lies under ``key``."""
    reducer = view.reducer
    if isinstance(reducer, SoftmaxOutputsConfig | HardPredictionsConfig):
        kinds = [column.kind for column in view.columns]
        if kinds != ["class_probabilities"] or view.columns[0].size < 2:
            yield _reads_outputs(config, view, key, kind_and_parameters(reducer)[0])
    if isinstance(reducer, OwnModelConfig):
        yield from _check_own_model(view, reducer, key)
    if isinstance(reducer, PCAConfig) and isinstance(reducer.n_components, int):
        most = len(view.slots)
        if isinstance(view.reference, FirstEvents):
            most = min(most, view.reference.n_events)
        # Each category of a column is a dimension of its own; how many there are is not known yet.
        if reducer.n_components > most > 0 and not view.categorical:
            yield Problem(
                f"{key}.n_components",
                f"{reducer.n_components} components from {most} features or reference events",
                f"1 to {most}, or a share of variance between 0 and 1",
            )


def _check_own_model(view: View, reducer: OwnModelConfig, key: str) -> Iterator[Problem]:
    kind = kind_and_parameters(reducer)[0]
    categories = [column.name for column in view.columns if column.type == "category"]
    if categories:
        yield Problem(
            f"{key}.kind",
            f"{kind!r} over the category {categories[0]}",
            "over numbers, vectors and booleans: a model that reads texts gets them encoded before "
            "the event is written, or a view of the other columns",
        )
    missing = [column.name for column in view.columns if column.may_be_missing]
    if missing:
        yield Problem(
            f"{key}.kind",
            f"{kind!r} over {missing[0]}, which may be missing",
            "over columns that every event has",
        )
    if isinstance(reducer, OwnClassifierConfig) and reducer.size < 2:
        allowed = "2 or more classes, or kind = 'onnx_embedding' for a score"
        yield Problem(f"{key}.size", f"{reducer.size} number", allowed)


def _reads_outputs(config: DriftJobConfig, view: View, key: str, kind: str) -> Problem:
    if not are_named(config) and not config.views:
        n = config.input.n_outputs
        wrong = f"the reducer {kind!r} reads the events' outputs, and there are {n}"
        return Problem("input.n_outputs", wrong, "2 or more")
    names = ", ".join(column.name for column in view.columns)
    return Problem(
        f"{key}.kind",
        f"{kind!r} over {names}",
        "over one column of class_probabilities with 2 classes or more",
    )


def check_categories(view: View, test: TestConfig, key: str) -> Iterator[Problem]:
    """Yield what is wrong with a test, which lies under ``key``, where columns are categories."""
    reducer, kind = view.reducer, kind_and_parameters(test)[0]
    if isinstance(test, MixedConfig):
        yield from _check_places(view, test, key)
    if isinstance(test, ChiSquareConfig | MixedConfig) and not isinstance(
        reducer, NoReductionConfig | PredictedClass
    ):
        yield Problem(
            f"{key}.kind",
            "this reducer leaves no categories to compare",
            "with a reducer of hard predictions, or 'none' where features are categories",
        )
    if not isinstance(reducer, NoReductionConfig):
        return
    categories = [view.slots[place].name for place in view.categorical]
    numbers = [column.name for column in view.columns if column.type == "number"]
    if isinstance(test, _ON_NUMBERS) and categories:
        allowed = "mixed for numbers and categories, chi_square for categories alone"
        yield Problem(f"{key}.kind", f"{kind!r} over the category {categories[0]}", allowed)
    if isinstance(test, ChiSquareConfig) and numbers:
        allowed = "mixed for numbers and categories"
        yield Problem(f"{key}.kind", f"{kind!r} over the number {numbers[0]}", allowed)


def _check_places(view: View, test: MixedConfig, key: str) -> Iterator[Problem]:
    is_one = isinstance(view.reducer, PredictedClass)
    width = 1 if is_one else len(view.slots)
    key = f"{key}.categorical_columns"
    places = test.categorical_columns
    if max(places, default=-1) >= width:
        yield Problem(key, f"{max(places)} is not one of {width} columns", f"0 to {width - 1}")
    elif len(set(places)) < len(places):
        yield Problem(key, "a place comes twice", "each once")
    elif not places and not view.categorical:
        yield Problem(key, "no column is a category", "places of categories, or columns of texts")
    elif not is_one:
        typed = [view.slots[p].name for p in places if view.slots[p].column.type != "vector"]
        if typed:
            allowed = "places in vectors: other columns have a type"
            yield Problem(key, f"{typed[0]} has a type", allowed)


def own_key(config: DriftJobConfig, place: int, name: str) -> str:
    """Return the key of a table that a view may leave to the main tables.

    Examples
    --------
    >>> from flink_jobs.config.tables.watching import ViewTable
    >>> from types import SimpleNamespace
    >>> own_key(SimpleNamespace(views=[ViewTable(name="a", columns=["x"])]), 0, "window")
    'window'
    """
    if not config.views:
        return f"detector.{name}" if name in ("reducer", "test") else name
    table: ViewTable = config.views[place]
    is_left_out = getattr(table, name) is None and name not in ("reducer", "test")
    return name if is_left_out else f"views[{place}].{name}"
