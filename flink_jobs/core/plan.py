"""The meaning of a configuration for one model: its views and their watchers, ready to be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from flink_jobs.config.columns import columns_of
from flink_jobs.config.digests import config_version, trained_key, view_fingerprint
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import PerOverride, changed
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.config.tables.detectors import OwnModelConfig
from flink_jobs.config.tables.references import TrainingSet
from flink_jobs.config.tables.sequential import SequentialTable
from flink_jobs.config.views import View, columns_read, views_of
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.core.bounded_cache import BoundedCache
from flink_jobs.core.incidents.judge import Judge
from flink_jobs.core.incidents.sequential_judge import SequentialJudge
from flink_jobs.core.own_models import load_models, with_model
from flink_jobs.core.references.fitted import test_places
from flink_jobs.core.references.rules import ReferenceRule, make_rule
from flink_jobs.core.windows.windows import Windows, make_windows

if TYPE_CHECKING:
    from detectors.reducers.onnx_models.model import OnnxModel

# A change is what somebody wrote into a command; making its plan again takes 0.5 ms.
_CHANGED_PLANS = 1_024


@dataclass(frozen=True)
class WatcherPlan:
    """One detector of a view: which windows it tests and who judges them.

    ``test_place`` is the place of its test among the distinct ones of the view.
    """

    name: str
    windows: Windows
    judge: Judge
    test_place: int


@dataclass(frozen=True)
class SequentialPlan:
    """One sequential detector of a view.

    ``place`` is its place among the sequential ones of the view.
    """

    name: str
    table: SequentialTable
    judge: SequentialJudge
    place: int


@dataclass(frozen=True)
class ViewPlan:
    """One view: its columns, its reference and its watchers.

    Attributes
    ----------
    view : View
    config_version : str
        Digest of the whole configuration.
    fingerprint : str
        Digest of the configuration that its state depends on.
    rule : ReferenceRule
    watchers : tuple of WatcherPlan
    sequential : tuple of SequentialPlan
    """

    view: View
    config_version: str
    fingerprint: str
    rule: ReferenceRule
    watchers: tuple[WatcherPlan, ...]
    sequential: tuple[SequentialPlan, ...]

    @property
    def main(self) -> WatcherPlan:
        """The view's own detector."""
        return self.watchers[0]


@dataclass(frozen=True)
class Plan:
    """All that is the same for models with equal configurations."""

    config: DriftJobConfig
    config_version: str
    views: tuple[ViewPlan, ...]


class Plans:
    """Makes the plan of each model, which models of one override and one change share.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job, with its overrides.
    artefacts : Artefacts
        What the files that the configuration names hold.

    Raises
    ------
    ImportError
        When there are models of the user's own, and ONNX Runtime is not installed.
    """

    def __init__(self, config: DriftJobConfig, artefacts: Artefacts) -> None:
        self._trained = artefacts.trained
        self._models = load_models(artefacts.models)
        self._plans = PerOverride(config, self._made)
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
            lambda: self._made(self._changed(plan.config, change)),
        )

    def _made(self, config: DriftJobConfig) -> Plan:
        return make_plan(config, self._trained, self._models)

    def _changed(self, base: DriftJobConfig, change: str) -> DriftJobConfig:
        config = changed(base, msgspec.json.decode(change))
        # What of an event is read is decided before it reaches the monitor.
        is_read_alike = columns_read(config) == columns_read(base)
        if (
            config.input != base.input
            or columns_of(config) != columns_of(base)
            or not is_read_alike
        ):
            wrong = "which columns of an event are read cannot change while the job runs"
            raise ConfigError([Problem("columns", wrong, "what job.toml has: change it there")])
        for view in views_of(config):
            if isinstance(view.reference, TrainingSet) and trained_key(view) not in self._trained:
                wrong = "a training set is fitted where the job is submitted"
                raise ConfigError(
                    [Problem("reference", wrong, "what job.toml has: change it there")]
                )
            reducer = view.reducer
            if isinstance(reducer, OwnModelConfig) and reducer.sha256 not in self._models:
                wrong = "a model is read where the job is submitted"
                raise ConfigError([Problem("reducer", wrong, "what job.toml has: change it there")])
        return config


def make_plan(
    config: DriftJobConfig,
    trained: Mapping[str, bytes],
    models: Mapping[str, OnnxModel] | None = None,
) -> Plan:
    """The plan of a configuration without overrides."""
    loaded, version = models or {}, config_version(config)
    views = tuple(
        _view_plan(config, version, with_model(view, loaded), trained) for view in views_of(config)
    )
    return Plan(config, version, views)


def _view_plan(
    config: DriftJobConfig, version: str, view: View, trained: Mapping[str, bytes]
) -> ViewPlan:
    remember_last = config.kafka.control_topic is not None
    width_ms, places = config.panes.width_ms, test_places(view)
    watchers = tuple(
        WatcherPlan(
            detector.name,
            make_windows(detector.window, remember_last, width_ms=width_ms),
            Judge(config, view, detector),
            places[detector.name],
        )
        for detector in view.detectors
    )
    sequential = tuple(
        SequentialPlan(each.name, each.table, SequentialJudge(config, view, each), place)
        for place, each in enumerate(view.sequential)
    )
    fingerprint = view_fingerprint(config, view)
    rule = make_rule(config, view, fingerprint, trained)
    return ViewPlan(view, version, fingerprint, rule, watchers, sequential)
