"""What a configuration means for one model: its detectors, ready to be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from flink_jobs.config.job import DriftJobConfig, config_version, detector_fingerprint, trained_key
from flink_jobs.config.overrides import PerOverride, changed
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.config.tables.references import MovingReference, TrainingSet
from flink_jobs.config.tables.windows import CountWindow
from flink_jobs.config.views import detectors_of, reads_outputs
from flink_jobs.core.bounded_cache import BoundedCache
from flink_jobs.core.incidents.judge import Judge
from flink_jobs.core.references.blocks import reference_fingerprint
from flink_jobs.core.windows.windows import Windows, make_windows

# A change is what somebody wrote into a command; making its plan again takes 0.5 ms.
_CHANGED_PLANS = 1_024


@dataclass(frozen=True)
class Watcher:
    """One detector: which windows it tests and who judges them."""

    name: str
    windows: Windows
    judge: Judge


@dataclass(frozen=True)
class Plan:
    """All that is the same for models with equal configurations.

    ``trained`` is the reference block of the training set, where the configuration names one.
    ``counts_events`` says whether a window counts events, so that no pane may be sampled.
    """

    config: DriftJobConfig
    fingerprint: str
    config_version: str
    watchers: list[Watcher]
    trained: bytes | None
    trained_fingerprint: str | None
    counts_events: bool

    @property
    def moves(self) -> bool:
        """Whether the reference moves with the stream, so that events are kept raw."""
        return isinstance(self.config.reference, MovingReference)

    @property
    def main(self) -> Watcher:
        """The detector of the main tables."""
        return self.watchers[0]


class Plans:
    """Makes the plan of each model, which models of one override and one change share.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job, with its overrides.
    trained : mapping of str to bytes
        Reference blocks of training sets by :func:`~flink_jobs.config.job.trained_key`.
    """

    def __init__(self, config: DriftJobConfig, trained: Mapping[str, bytes]) -> None:
        self._trained = trained
        self._plans = PerOverride(config, partial(make_plan, trained=trained))
        self._changed_plans: BoundedCache[Plan] = BoundedCache(_CHANGED_PLANS, lambda _: 1)

    def of(self, model: str, change: str = "") -> Plan:
        """The plan of a model whose configuration a command has changed.

        Raises
        ------
        ConfigError
            When the change does not fit the model's configuration, or not this job.
        """
        plan = self._plans.of(model)
        if not change:
            return plan
        return self._changed_plans.get(
            (plan.config_version, change),
            lambda: make_plan(self._changed(plan.config, change), self._trained),
        )

    def _changed(self, base: DriftJobConfig, change: str) -> DriftJobConfig:
        config = changed(base, msgspec.json.decode(change))
        # What of an event is read is decided before it reaches the monitor.
        if config.input != base.input or reads_outputs(config) != reads_outputs(base):
            wrong = "which numbers of an event are read cannot change while the job runs"
            raise ConfigError([Problem("input", wrong, "what job.toml has: change it there")])
        if isinstance(config.reference, TrainingSet) and trained_key(config) not in self._trained:
            wrong = "a training set is fitted where the job is submitted"
            raise ConfigError([Problem("reference", wrong, "what job.toml has: change it there")])
        return config


def make_plan(config: DriftJobConfig, trained: Mapping[str, bytes]) -> Plan:
    """The plan of a configuration without overrides."""
    remember_last = config.kafka.control_topic is not None
    watchers = [
        Watcher(
            d.name,
            make_windows(d.window, width_ms=config.panes.width_ms, remember_last=remember_last),
            Judge(config, d),
        )
        for d in detectors_of(config)
    ]
    is_trained = isinstance(config.reference, TrainingSet)
    block = trained[trained_key(config)] if is_trained else None
    return Plan(
        config=config,
        fingerprint=detector_fingerprint(config),
        config_version=config_version(config),
        watchers=watchers,
        trained=block,
        trained_fingerprint=None if block is None else reference_fingerprint(block),
        counts_events=any(isinstance(d.window, CountWindow) for d in detectors_of(config)),
    )
