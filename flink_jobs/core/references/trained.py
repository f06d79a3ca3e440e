"""Fits the references that training sets give, where the job is checked or submitted."""

from __future__ import annotations

import msgspec

from flink_jobs.config.job import DriftJobConfig, trained_key
from flink_jobs.config.overrides import variants
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.config.training_set import read_training_set
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.references.blocks import UnusableReferenceError, fit_reference
from flink_jobs.one_thread import use_one_thread


def fit_training_sets(config: DriftJobConfig) -> dict[str, bytes]:
    """The reference blocks of the training sets that models may have, by their key.

    Raises
    ------
    ConfigError
        When a file cannot be used, or the detector cannot be fitted to what it holds.
    """
    blocks: dict[str, bytes] = {}
    for place, variant in enumerate(variants(config)):
        key = trained_key(variant)
        if key in blocks:
            continue
        try:
            block = _fit(variant)
        except ConfigError as error:
            prefix = "" if place == 0 else f"overrides[{place - 1}]."
            raise ConfigError(
                [msgspec.structs.replace(p, key=f"{prefix}{p.key}") for p in error.problems]
            ) from error
        if block is not None:
            blocks[key] = block
    return blocks


def _fit(config: DriftJobConfig) -> bytes | None:
    x_ref = read_training_set(config)
    if x_ref is None:
        return None
    try:
        with use_one_thread():
            return fit_reference(config, x_ref)
    except (UnusableReferenceError, DetectorFailedError) as error:
        wrong = f"its {len(x_ref)} rows make no reference ({error})"
        allowed = "rows that the detector can be fitted to"
        raise ConfigError([Problem("reference.path", wrong, allowed)]) from error
