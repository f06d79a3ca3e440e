"""What a configuration means for one model: its detectors, ready to be used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from flink_jobs.config.job import (
    ConfigError,
    DriftJobConfig,
    config_version,
    detector_fingerprint,
    detectors_of,
    reads_outputs,
    trained_key,
)
from flink_jobs.config.overrides import changed, config_of_model
from flink_jobs.config.reference_tables import MovingReference, TrainingSet
from flink_jobs.config.tables import Problem
from flink_jobs.config.window_tables import CountWindow
from flink_jobs.core.incidents.judge import Judge
from flink_jobs.core.references.blocks import reference_fingerprint
from flink_jobs.core.windows.windows import Windows, make_windows

_CACHED_PLANS = 1_024


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
    """Makes the plan of each model, and keeps those used last.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job, with its overrides.
    trained : mapping of str to bytes
        Reference blocks of training sets by :func:`~flink_jobs.config.job.trained_key`.
    """

    def __init__(self, config: DriftJobConfig, trained: Mapping[str, bytes]) -> None:
        self._config = config
        self._trained = trained
        self._plans: dict[str, Plan] = {}
        self._of_models: OrderedDict[tuple[str, str], Plan] = OrderedDict()

    def of(self, model: str, change: str = "") -> Plan:
        """The plan of a model whose configuration a command has changed.

        Raises
        ------
        ConfigError
            When the change does not fit the model's configuration, or not this job.
        """
        key = (model, change)
        if key not in self._of_models:
            config = self.config_of(model)
            if change:
                config = self._changed(config, change)
            self._of_models[key] = self._plan(config)
        self._of_models.move_to_end(key)
        while len(self._of_models) > _CACHED_PLANS:
            self._of_models.popitem(last=False)
        return self._of_models[key]

    def config_of(self, model: str) -> DriftJobConfig:
        """The configuration of a model as the job's file has it."""
        return config_of_model(self._config, model)

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

    def _plan(self, config: DriftJobConfig) -> Plan:
        """Models with equal configurations share one."""
        version = config_version(config)
        if version not in self._plans:
            self._plans[version] = make_plan(config, self._trained)
        return self._plans[version]


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
