"""The files that a configuration names, as a job takes them along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.own_models import read_models
from flink_jobs.core.references.trained import fit_training_sets


class Artefacts(NamedTuple):
    """The content of files, read where the job is submitted and shipped with it.

    Attributes
    ----------
    trained : mapping of str to bytes
        Reference blocks of training sets by :func:`~flink_jobs.config.digests.trained_key`.
    models : mapping of str to bytes
        Models of the user's own, in ONNX format, by their SHA-256.
    n_training : mapping of str to int
        Events of each training set, by the same key.
    """

    trained: Mapping[str, bytes] = {}
    models: Mapping[str, bytes] = {}
    n_training: Mapping[str, int] = {}


def read_artefacts(config: DriftJobConfig) -> Artefacts:
    """Read and check the files that a configuration names.

    Raises
    ------
    ConfigError
        When a file cannot be used, a model does not fit the columns of its view, the detectors
        cannot be fitted to a training set, or windows would take too much state against it.
    """
    models = read_models(config)
    trained, n_training = fit_training_sets(config, models)
    return Artefacts(trained, {sha256: model.data for sha256, model in models.items()}, n_training)
