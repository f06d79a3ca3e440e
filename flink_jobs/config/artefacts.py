"""Files that a configuration names by path and digest: where they lie, and what is in them.

They are read where the job is submitted. What the cluster needs of them goes along with the job.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from flink_jobs.config.column_checks import own_key
from flink_jobs.config.job import DriftJobConfig, OverrideTable
from flink_jobs.config.overrides import variants
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.config.tables.detectors import OwnModelConfig
from flink_jobs.config.tables.references import TrainingSet
from flink_jobs.config.views import views_of

_NAMES_A_FILE = TrainingSet | OwnModelConfig


def read_verified(table: TrainingSet | OwnModelConfig, key: str) -> bytes:
    """Return the bytes of the file that a table names, after checking its digest.

    Parameters
    ----------
    table : TrainingSet or OwnModelConfig
    key : str
        Under which it stands, for messages.

    Raises
    ------
    ConfigError
        When the file cannot be read or has another digest.
    """
    kind = "an npz file" if isinstance(table, TrainingSet) else "a model in ONNX format"
    try:
        data = Path(table.path).read_bytes()
    except OSError as error:
        wrong = f"{table.path} cannot be read ({error.strerror})"
        allowed = f"{kind} that this process can read"
        raise ConfigError([Problem(f"{key}.path", wrong, allowed)]) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != table.sha256:
        wrong = f"{table.path} has the digest {digest}"
        allowed = f"the SHA-256 of the file at {key}.path"
        raise ConfigError([Problem(f"{key}.sha256", wrong, allowed)])
    return data


def verify_artefacts(config: DriftJobConfig) -> None:
    """Check that all files that a configuration names are there, with their digests.

    Raises
    ------
    ConfigError
        When one cannot be read or has another digest.
    """
    for variant in variants(config):
        for place, view in enumerate(views_of(variant)):
            if isinstance(view.reference, TrainingSet):
                read_verified(view.reference, "reference")
            if isinstance(view.reducer, OwnModelConfig):
                read_verified(view.reducer, own_key(variant, place, "reducer"))


def with_absolute_artefacts(config: DriftJobConfig, folder: Path) -> DriftJobConfig:
    """Return the configuration with absolute paths of training sets and models."""
    replaced = msgspec.structs.replace
    return replaced(
        config,
        reference=_absolute(config.reference, folder),
        detector=replaced(config.detector, reducer=_absolute(config.detector.reducer, folder)),
        views=[
            replaced(
                view,
                reference=_absolute(view.reference, folder),
                reducer=_absolute(view.reducer, folder),
            )
            for view in config.views
        ],
        overrides=[_at(override, folder) for override in config.overrides],
    )


def _at(override: OverrideTable, folder: Path) -> OverrideTable:
    """Return the override with absolute paths in its tables and in those of its views."""

    def absolute(tables: dict[str, Any], name: str) -> dict[str, Any]:
        table = tables.get(name)
        if not isinstance(table, dict) or "path" not in table:
            return tables
        return tables | {name: table | {"path": str((folder / table["path"]).resolve())}}

    return msgspec.structs.replace(
        override,
        reference=absolute({"reference": override.reference}, "reference")["reference"],
        detector=absolute(override.detector, "reducer"),
        views=override.views
        and [absolute(absolute(view, "reference"), "reducer") for view in override.views],
    )


def _absolute(table: Any, folder: Path) -> Any:
    if not isinstance(table, _NAMES_A_FILE):
        return table
    return msgspec.structs.replace(table, path=str((folder / table.path).resolve()))
