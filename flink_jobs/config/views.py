"""The views of a model: which columns are watched together, by which reducer and detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from flink_jobs.config.columns import Column, Slot, answer_of, columns_of, slots_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.detectors import (
    ChiSquareConfig,
    HardPredictionsConfig,
    KSConfig,
    MixedConfig,
    NoReductionConfig,
    PCAConfig,
    PredictedClass,
    ReducerConfig,
    SoftmaxOutputsConfig,
    TestConfig,
)
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.config.tables.references import ReferenceTable, TrainingSet
from flink_jobs.config.tables.sequential import SequentialTable
from flink_jobs.config.tables.watching import CalibrationTable, MoreDetectorTable, ViewTable
from flink_jobs.config.tables.windows import WindowTable
from flink_jobs.records.alerts import MAIN_DETECTOR, MAIN_VIEW

if TYPE_CHECKING:
    from detectors.reducers.onnx_models.model import OnnxModel

_MOST_COMPONENTS = 32


class Detector(Struct, frozen=True):
    """One detector of a view, with nothing left out."""

    name: str
    window: WindowTable
    test: TestConfig
    calibration: CalibrationTable
    policy: PolicyTable


class Sequential(Struct, frozen=True):
    """One detector of a view that has a memory of its own in the place of windows."""

    name: str
    table: SequentialTable
    policy: PolicyTable


@dataclass(frozen=True)
class View:
    """Some columns of a model's events, and all that watches them.

    Attributes
    ----------
    name : str
    columns : tuple of Column
    slots : tuple of Slot
        The floats that stand for them.
    places : tuple of int
        The places of these floats among those of the model's panes.
    reducer : ReducerConfig
    seed : int
    reference : ReferenceTable
    detectors : tuple of Detector
        Those with windows: the view's own one, ``main``, and further ones.
    sequential : tuple of Sequential
    carried : tuple of Column
        Further columns that evidence shows, and segments: they lie behind the others in the rows
        that are kept, and no test sees them.
    row_places : tuple of int
        The places of the floats of all these columns among those of the model's panes.
    model : OnnxModel or None
        What the reducer evaluates where it is a model of the user's own, once it is loaded.
    """

    name: str
    columns: tuple[Column, ...]
    slots: tuple[Slot, ...]
    places: tuple[int, ...]
    reducer: ReducerConfig
    seed: int
    reference: ReferenceTable
    detectors: tuple[Detector, ...]
    sequential: tuple[Sequential, ...] = ()
    carried: tuple[Column, ...] = ()
    row_places: tuple[int, ...] = ()
    model: OnnxModel | None = None

    @property
    def detector_names(self) -> list[str]:
        """The names of all detectors, those with windows first."""
        with_windows = [each.name for each in self.detectors]
        return with_windows + [each.name for each in self.sequential]

    @property
    def row_slots(self) -> tuple[Slot, ...]:
        """The floats of a row that is kept: those of the view's columns, then of carried ones."""
        return (*self.slots, *slots_of(self.carried))

    @property
    def tests_columns(self) -> bool:
        """Say whether tests see the view's floats themselves, and no mixture of them."""
        return isinstance(self.reducer, NoReductionConfig | SoftmaxOutputsConfig)

    @property
    def categorical(self) -> tuple[int, ...]:
        """The places, among the view's floats, of codes of texts."""
        return tuple(place for place, slot in enumerate(self.slots) if slot.is_category)


def views_of(config: DriftJobConfig) -> tuple[View, ...]:
    """List the views of a model; one called ``main`` where the configuration has no ``views``.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... columns = {features = {age = "number", plan = "category"}, outputs = {p = "probability"}}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... views = [{name = "inputs", columns = ["features"]}, {name = "answers", columns = ["p"]}]
    ... ''')
    >>> [(view.name, view.places, view.detectors[0].test.__struct_config__.tag)
    ...  for view in views_of(config)]
    [('inputs', (0, 1), 'mixed'), ('answers', (2,), 'ks')]
    """
    placed = {slot: place for place, slot in enumerate(slots_of(columns_read(config)))}
    return tuple(_view(config, table, placed) for table in view_tables(config))


def view_tables(config: DriftJobConfig) -> list[ViewTable]:
    """List the tables of views, or the one that the main tables stand for."""
    if config.views:
        return config.views
    reducer = config.detector.reducer
    if reducer is not None:
        is_output = isinstance(reducer, SoftmaxOutputsConfig | HardPredictionsConfig)
    else:
        is_output = any(column.role == "output" for column in columns_of(config))
    return [
        ViewTable(
            name=MAIN_VIEW,
            columns=["outputs" if is_output else "features"],
            reducer=reducer,
            test=config.detector.test,
            detectors=config.detectors,
        )
    ]


def more_detectors_key(config: DriftJobConfig, place: int) -> str:
    """Return the key under which the further detectors of a view stand."""
    return f"views[{place}].detectors" if config.views else "detectors"


def columns_of_view(config: DriftJobConfig, table: ViewTable) -> tuple[Column, ...]:
    """List the columns that a view names, in the order of the model's columns.

    Names that no column has are passed over: checks find them.
    """
    return named_columns(config, table.columns)


def named_columns(config: DriftJobConfig, names: Sequence[str]) -> tuple[Column, ...]:
    """List the columns with some names, ``features`` and ``outputs`` for all of a role."""
    roles = {"feature": "features", "output": "outputs"}
    return tuple(
        column
        for column in columns_of(config)
        if column.name in names or roles.get(column.role) in names
    )


def columns_read(config: DriftJobConfig) -> tuple[Column, ...]:
    """List the columns that a pane carries: what views read and evidence shows, segments, label.

    With a label comes the answer of the model that it is held against.
    """
    tables = view_tables(config)
    wanted = {column for table in tables for column in columns_of_view(config, table)}
    wanted |= set(named_columns(config, config.evidence.columns))
    wanted |= {column for column in columns_of(config) if column.role in ("segment", "label")}
    if config.columns.label and (answer := answer_of(config)) is not None:
        wanted.add(answer)
    return tuple(column for column in columns_of(config) if column in wanted)


def default_reducer(columns: Sequence[Column]) -> ReducerConfig:
    """Choose the reducer that suits columns: none, but for class probabilities and embeddings."""
    kinds = {column.kind for column in columns}
    if len(columns) == 1 and kinds == {"class_probabilities"}:
        return SoftmaxOutputsConfig()
    if len(columns) == 1 and kinds == {"embedding"} and columns[0].size > 1:
        return PCAConfig(n_components=min(_MOST_COMPONENTS, columns[0].size))
    return NoReductionConfig()


def default_test(columns: Sequence[Column], reducer: ReducerConfig) -> TestConfig:
    """Choose the test that suits reduced columns: by counts for categories, KS for numbers."""
    if isinstance(reducer, PredictedClass):
        return ChiSquareConfig()
    if isinstance(reducer, NoReductionConfig):
        n_categories = sum(column.is_category for column in columns)
        if n_categories == len(columns):
            return ChiSquareConfig()
        if n_categories:
            return MixedConfig()
    return KSConfig()


def _view(config: DriftJobConfig, table: ViewTable, placed: dict[Slot, int]) -> View:
    columns = columns_of_view(config, table)
    slots = slots_of(columns)
    reference = table.reference or config.reference
    carried = _carried(config, columns, reference)
    reducer = table.reducer or default_reducer(columns)
    return View(
        name=table.name,
        columns=columns,
        slots=slots,
        places=tuple(placed[slot] for slot in slots),
        reducer=reducer,
        seed=config.detector.seed,
        reference=reference,
        detectors=_detectors(config, table, table.test or default_test(columns, reducer)),
        sequential=_sequential(config, table),
        carried=carried,
        row_places=tuple(placed[slot] for slot in (*slots, *slots_of(carried))),
    )


def _carried(
    config: DriftJobConfig, columns: Sequence[Column], reference: ReferenceTable
) -> tuple[Column, ...]:
    """List the columns that are kept and not tested; a training set need not have segments."""
    shown = named_columns(config, config.evidence.columns)
    has_segments = not isinstance(reference, TrainingSet)
    return tuple(
        column
        for column in columns_of(config)
        if column not in columns
        and (column in shown or (has_segments and column.role == "segment"))
    )


def windowed_places(table: ViewTable) -> list[int]:
    """Return the places in its list of the further detectors of a view that have windows."""
    return [
        place
        for place, each in enumerate(table.detectors)
        if each.window is not None and each.sequential is None
    ]


def sequential_places(table: ViewTable) -> list[int]:
    """Return the places in its list of the sequential detectors of a view."""
    return [place for place, each in enumerate(table.detectors) if each.sequential is not None]


def _detectors(config: DriftJobConfig, table: ViewTable, test: TestConfig) -> tuple[Detector, ...]:
    calibration = table.calibration or config.calibration
    policy = table.policy or config.policy
    main = MoreDetectorTable(name=MAIN_DETECTOR, window=table.window or config.window)
    return tuple(
        Detector(
            each.name,
            each.window or config.window,
            each.test or test,
            each.calibration or calibration,
            each.policy or policy,
        )
        for each in (main, *(table.detectors[place] for place in windowed_places(table)))
    )


def _sequential(config: DriftJobConfig, table: ViewTable) -> tuple[Sequential, ...]:
    policy = table.policy or config.policy
    return tuple(
        Sequential(each.name, each.sequential, each.policy or policy)
        for each in table.detectors
        if each.sequential is not None
    )
