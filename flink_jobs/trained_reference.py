"""Fits the reference that a training set gives, where the job is checked or submitted."""

from __future__ import annotations

from flink_jobs.config import ConfigError, DriftJobConfig
from flink_jobs.core.reference import UnusableReferenceError, fit_reference
from flink_jobs.tables import Problem
from flink_jobs.training_set import read_training_set


def fit_training_set(config: DriftJobConfig) -> bytes | None:
    """The reference block of the configured training set; None without one.

    Raises
    ------
    ConfigError
        When the file cannot be used, or the detector cannot be fitted to what it holds.
    """
    x_ref = read_training_set(config)
    if x_ref is None:
        return None
    try:
        return fit_reference(config, x_ref)
    except UnusableReferenceError as error:
        wrong = f"its {len(x_ref)} rows make no reference ({error})"
        allowed = "rows that the detector can be fitted to"
        raise ConfigError([Problem("reference.path", wrong, allowed)]) from error
