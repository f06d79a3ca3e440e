"""Rules for the tables that decide over many models."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.discovery.e_values import e_value_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.windows import TimeWindow
from flink_jobs.config.views import Detector


def check_many_models(config: DriftJobConfig) -> Iterator[Problem]:
    """Refuse times that are shorter than a pane."""
    width_ms, storm, discoveries = config.panes.width_ms, config.storm, config.false_discoveries
    if storm is not None and storm.within_ms < width_ms:
        wrong = f"{storm.within_ms} is less than a pane"
        yield Problem("storm.within_ms", wrong, f"{width_ms} to 86400000")
    if discoveries is not None and discoveries.per_ms < width_ms:
        wrong = f"{discoveries.per_ms} is less than a pane"
        yield Problem("false_discoveries.per_ms", wrong, f"{width_ms} to 2678400000")


def without_columns(key: str) -> Problem:
    """Refuse a policy with which storms could not tell moves of one kind from others."""
    return Problem(
        key,
        "alerts name no column, by which storms tell moves of one kind from others",
        "1 or more, or no table storm",
    )


def check_discoverable(
    config: DriftJobConfig, detector: Detector, lowest_p_value: float
) -> Iterator[Problem]:
    """Refuse a detector that could never make a discovery, were its model the only one."""
    table = config.false_discoveries
    if table is None:
        return
    n_tests = 1
    if isinstance(detector.window, TimeWindow):
        n_tests = max(1, table.per_ms // detector.window.slide_ms)
    # Half of the budget is spread evenly, which is most of a decision's share if there are many.
    needed, reached = 2 * n_tests / table.level, e_value_of(lowest_p_value)
    if reached < needed:
        yield Problem(
            "false_discoveries.level",
            f"the detector {detector.name!r} can make no discovery: its lowest p-value of "
            f"{lowest_p_value:.2g} is an e-value of {reached:,.0f}, and with {n_tests:,} tests of "
            f"one model in false_discoveries.per_ms {needed:,.0f} are needed",
            "a test with lower p-values, such as ks or mixed, more n_permutations, a shorter "
            "per_ms or a higher level",
        )
