"""The tables of a configuration that say what a detector or a view watches, and by which rules."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from flink_jobs.config.tables.base import Level, PositiveInt, Table
from flink_jobs.config.tables.columns import ColumnName
from flink_jobs.config.tables.detectors import ReducerConfig, TestConfig
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.config.tables.references import ReferenceTable
from flink_jobs.config.tables.sequential import SequentialTable
from flink_jobs.config.tables.windows import WindowTable

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,80}$")]


class LevelPerWindowConfig(
    Table, frozen=True, kw_only=True, tag_field="kind", tag="level_per_window"
):
    """A test window drifts when its p-value is at or below ``level``."""

    level: Level = 0.001


class ExpectedRunTimeConfig(
    Table, frozen=True, kw_only=True, tag_field="kind", tag="expected_run_time"
):
    """While nothing drifts, a model runs for this time on average until an incident starts.

    One of ``windows``, ``events`` and ``time_ms`` says how long. All detectors of a model share it.

    Attributes
    ----------
    windows : float, optional
        In windows of each detector.
    events : int, optional
        In events, for windows of kind ``count``.
    time_ms : int, optional
        In event time, for windows of time and sessions.
    confidence : float
        The share of all references of the same length for which it holds.
    """

    windows: Annotated[float, Meta(ge=2.0, le=1e12)] | None = None
    events: PositiveInt | None = None
    time_ms: PositiveInt | None = None
    confidence: Annotated[float, Meta(ge=0.5, le=0.95)] = 0.9


CalibrationTable = LevelPerWindowConfig | ExpectedRunTimeConfig


class MoreDetectorTable(Table, frozen=True, kw_only=True):
    """One more detector over the same columns, reducer and reference.

    It has either windows, each of which is tested, or is ``sequential``: it takes in every pane and
    has neither test nor calibration. What is left out is as in the tables ``detector``,
    ``calibration`` and ``policy``, or as in the view to which the detector belongs.
    """

    name: Name
    window: WindowTable | None = None
    sequential: SequentialTable | None = None
    test: TestConfig | None = None
    calibration: CalibrationTable | None = None
    policy: PolicyTable | None = None


class ViewTable(Table, frozen=True, kw_only=True):
    """One view of a model: some of its columns, and all that watches them.

    What is left out is as in the main tables, but for the reducer and the test: by default they
    follow from the columns.

    Attributes
    ----------
    name : str
    columns : list of str
        Names of columns; ``features`` and ``outputs`` stand for all columns of that role.
    detectors : list of MoreDetectorTable
        Further detectors of this view.
    """

    name: Name
    columns: Annotated[list[ColumnName], Meta(min_length=1)]
    reducer: ReducerConfig | None = None
    test: TestConfig | None = None
    window: WindowTable | None = None
    reference: ReferenceTable | None = None
    calibration: CalibrationTable | None = None
    policy: PolicyTable | None = None
    detectors: list[MoreDetectorTable] = msgspec.field(default_factory=list)
