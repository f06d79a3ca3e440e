"""Reads the artefact with the training set that every model is compared with.

The file is read where the job is submitted; the cluster receives the fitted reference block, so no
TaskManager needs the file. Nothing in it is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.config.tables.references import TrainingSet
from flink_jobs.config.views import n_columns_read, reads_outputs


def read_verified(reference: TrainingSet) -> bytes:
    """The file's bytes, after checking its digest.

    Raises
    ------
    ConfigError
        When the file cannot be read or has another digest.
    """
    try:
        data = Path(reference.path).read_bytes()
    except OSError as error:
        wrong = f"{reference.path} cannot be read ({error.strerror})"
        allowed = "an npz file that this process can read"
        raise ConfigError([Problem("reference.path", wrong, allowed)]) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != reference.sha256:
        wrong = f"{reference.path} has the digest {digest}"
        allowed = "the SHA-256 of the file at reference.path"
        raise ConfigError([Problem("reference.sha256", wrong, allowed)])
    return data


def read_training_set(config: DriftJobConfig) -> NDArray[np.float64] | None:
    """The rows that the reducer reads, shape (n_ref, n_columns); None without an artefact.

    Raises
    ------
    ConfigError
        When the file cannot be used or does not hold the array that is needed.
    """
    if not isinstance(config.reference, TrainingSet):
        return None
    name = "outputs" if reads_outputs(config) else "features"
    data = read_verified(config.reference)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            x_ref = np.asarray(arrays[name], dtype=np.float64)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        wrong = f"{config.reference.path} holds no readable array {name!r} ({error})"
        raise ConfigError([Problem("reference.path", wrong, "an npz file")]) from error
    if x_ref.ndim != 2 or x_ref.shape[1] != n_columns_read(config):
        wrong = f"the array {name!r} has the shape {x_ref.shape}"
        allowed = f"(n_events, {n_columns_read(config)})"
        raise ConfigError([Problem("reference.path", wrong, allowed)])
    return x_ref
