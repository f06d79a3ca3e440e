"""References that training sets give: fitted where the job is checked or submitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from flink_jobs.config.costs import check_costs
from flink_jobs.config.digests import trained_key
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import variants
from flink_jobs.config.tables.base import ConfigError, Problem
from flink_jobs.config.tables.references import TrainingSet
from flink_jobs.config.training_set import read_training_set
from flink_jobs.config.views import View, views_of
from flink_jobs.core.commands.refused import RefusedCommandError
from flink_jobs.core.events import PaneEvents
from flink_jobs.core.failures import DetectorFailedError
from flink_jobs.core.own_models import with_model
from flink_jobs.core.references.collected import StoredReference
from flink_jobs.core.references.fitted import (
    FittedView,
    UnusableReferenceError,
    fit_view,
    rows_without_times,
)
from flink_jobs.core.references.rules import Wanted
from flink_jobs.one_thread import use_one_thread

if TYPE_CHECKING:
    from detectors.reducers.onnx_models.model import OnnxModel
    from flink_jobs.core.views.view_watch import ViewWatch


class TrainedRule(StoredReference):
    """The same training set for every model; it lies in the job and not in the state.

    Parameters
    ----------
    table : TrainingSet
    block : bytes
        The detectors fitted to it.
    """

    is_new_on_recovery = False

    def __init__(self, table: TrainingSet, block: bytes) -> None:
        self.refuses_change = table.on_config_change == "refuse"
        self._block = block
        self._own = FittedView.from_block(block)
        self._fingerprint = self._own.fingerprint()

    def fitted(self, view: ViewWatch) -> FittedView:
        """Return the detectors; raises DetectorFailedError when they cannot be restored."""
        if view.status.is_approved:
            return view.restored(view.read_reference)
        return view.restored(lambda: self._block)

    def holds(self, view: ViewWatch) -> bool:
        """Tell whether a view is watched against this training set, or one that was approved."""
        status = view.status
        return status.is_approved or status.reference_fingerprint in ("", self._fingerprint)

    def collect(self, view: ViewWatch, pane: PaneEvents) -> PaneEvents | None:
        """Watch from the first pane on."""
        status = view.status
        status.is_approved = False
        status.reference_start_ms = status.reference_end_ms = None
        view.stability.end(pane.start_ms)
        view.begin(self._fingerprint, self._own, pane.start_ms)
        return pane

    def complete_by_time(self, view: ViewWatch, until_ms: int) -> None:
        """It is complete."""

    def completes_ms(self, view: ViewWatch) -> int | None:
        """It is complete."""
        return None

    def overdue_ms(self, waiting_since_ms: int) -> int | None:
        """It is never overdue."""
        return None

    def missing_events(self, view: ViewWatch) -> int | None:
        """No event is missing."""
        return 0

    def wanted(self, view: ViewWatch) -> Wanted:
        """It is complete."""
        return Wanted(0)

    def overdue_reason(self, view: ViewWatch) -> str:
        """It is never overdue."""
        return "no event has come"

    def rebaseline(self, view: ViewWatch, at_ms: int) -> str:
        """Refuse: the reference does not come from the model's events."""
        raise RefusedCommandError(
            "the reference is not collected from the events of the model: for a training set "
            "submit the job with another one, or send approve_current"
        )


def fit_training_sets(
    config: DriftJobConfig, models: Mapping[str, OnnxModel]
) -> tuple[dict[str, bytes], dict[str, int]]:
    """Fit the training sets that views of models may have: their blocks and sizes, by their key.

    Parameters
    ----------
    config : DriftJobConfig
    models : mapping of str to OnnxModel
        Models of the user's own by their SHA-256.

    Raises
    ------
    ConfigError
        When a file cannot be used, when the detector cannot be fitted to what it holds, or when
        windows would take too much state against so many events.
    """
    blocks: dict[str, bytes] = {}
    n_training: dict[str, int] = {}
    for place, variant in enumerate(variants(config)):
        prefix = "" if place == 0 else f"overrides[{place - 1}]."
        for view in views_of(variant):
            key = trained_key(view)
            if key in blocks or not isinstance(view.reference, TrainingSet):
                continue
            try:
                blocks[key], n_training[key] = _fit(variant, with_model(view, models))
            except ConfigError as error:
                raise ConfigError(
                    [msgspec.structs.replace(p, key=f"{prefix}{p.key}") for p in error.problems]
                ) from error
        if problems := list(check_costs(variant, n_training)):
            raise ConfigError(
                [msgspec.structs.replace(p, key=f"{prefix}{p.key}") for p in problems]
            )
    return blocks, n_training


def _fit(config: DriftJobConfig, view: View) -> tuple[bytes, int]:
    x, texts = read_training_set(view)
    rows = rows_without_times(x, texts, view.seed)
    try:
        with use_one_thread():
            return fit_view(view, rows, config.sample.size).to_block(), len(x)
    except (UnusableReferenceError, DetectorFailedError) as error:
        wrong = f"its {len(x)} rows make no reference ({error})"
        allowed = "rows that the detector can be fitted to"
        raise ConfigError([Problem("reference.path", wrong, allowed)]) from error
