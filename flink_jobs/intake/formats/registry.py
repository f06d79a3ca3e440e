"""The formats of payloads by their names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig, InputFormat
from flink_jobs.intake.formats.base import PayloadFormat

# By name, so that a format's packages are imported where it is used.
_CLASSES: dict[InputFormat, tuple[str, str]] = {
    "loudly": ("own_events", "OwnEvents"),
    "json": ("any_json", "AnyJson"),
    "open_inference": ("open_inference", "OpenInference"),
    "kserve_v1": ("kserve_v1", "KServeV1"),
    "sagemaker": ("sagemaker", "SageMaker"),
    "avro": ("avro", "Avro"),
    "protobuf": ("protobuf", "Protobuf"),
}


class MissingPackageError(ImportError):
    """A format whose packages are not installed."""


def format_of(config: DriftJobConfig, read: Sequence[Column] = ()) -> PayloadFormat:
    """Make the format of a configuration.

    Parameters
    ----------
    config : DriftJobConfig
        Of the models whose events are read.
    read : sequence of Column
        The columns that become floats, in their order; none where only single values are looked
        up.

    Raises
    ------
    MissingPackageError
        When a package that the format needs is not installed.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json", n_features = 2}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> type(format_of(config)).__name__
    'AnyJson'
    """
    name = config.input.format
    module, cls = _CLASSES[name]
    try:
        made = getattr(import_module(f"flink_jobs.intake.formats.{module}"), cls)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("flink_jobs"):
            raise
        raise MissingPackageError(
            f"input.format = {name!r} needs the package {missing}: in Loudly's folder run "
            "make setup, or pip install '.[formats]'"
        ) from error
    format_: PayloadFormat = made(config, read)
    return format_
