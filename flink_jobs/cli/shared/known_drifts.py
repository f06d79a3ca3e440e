"""Known drifts of a history, from the options of a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flink_jobs.config.job import DriftJobConfig
    from flink_jobs.histories.known_drifts.shift_table import Shift
    from flink_jobs.histories.known_drifts.truth import DriftInterval


def known_drifts(
    truth: Path | None,
    shifts: Path | None,
    column: str | None,
    history: str,
    config: DriftJobConfig,
) -> tuple[list[Shift], list[DriftInterval] | None]:
    """Read the simulated shifts and all known drifts; None if no option names any.

    Raises
    ------
    ConfigError
        When a file cannot be used.
    SourceError
        When the history holds no such column.
    """
    from flink_jobs.histories.known_drifts.shift_table import read_shifts
    from flink_jobs.histories.known_drifts.simulator import truth_of

    simulated = [] if shifts is None else read_shifts(shifts)
    labelled = labelled_drifts(truth, column, history, config)
    if labelled is None and shifts is None:
        return [], None
    return simulated, (labelled or []) + truth_of(simulated)


def labelled_drifts(
    truth: Path | None, column: str | None, history: str, config: DriftJobConfig
) -> list[DriftInterval] | None:
    """The drifts of a file and those of a column of the history; None where neither is named.

    Raises
    ------
    ConfigError
        When the file cannot be used.
    SourceError
        When the history holds no such column.
    """
    from flink_jobs.histories.known_drifts.labelled_events import drifts_of_column
    from flink_jobs.histories.known_drifts.truth import read_truth

    if truth is None and column is None:
        return None
    of_file = [] if truth is None else read_truth(truth)
    return of_file + ([] if column is None else drifts_of_column(history, config, column))
