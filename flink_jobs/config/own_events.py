"""The configuration of a job that reads events which Loudly has written itself."""

from __future__ import annotations

from msgspec.structs import replace

from flink_jobs.config.job import DriftJobConfig


def as_own_events(config: DriftJobConfig) -> DriftJobConfig:
    """Describe the job over the same events, written as Loudly's own, keyed by model."""
    return replace(config, input=replace(config.input, format="loudly", envelope="none"))
