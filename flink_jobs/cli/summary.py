"""What a configuration means, in a few lines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.two_sample.binomial import accuracy_p_values
from detectors.two_sample.domain_classifier import n_held_out
from detectors.two_sample.ks_distribution import ks_p_values
from detectors.two_sample.multiplicity import bonferroni
from flink_jobs.config import (
    CountWindow,
    DriftJobConfig,
    FirstEvents,
    n_columns_read,
    reads_outputs,
)
from flink_jobs.detector_tables import (
    BinomialConfig,
    ChiSquareConfig,
    HardPredictionsConfig,
    MixedConfig,
    PCAConfig,
    PermutedConfig,
    SparseRandomProjectionConfig,
)

_FLOAT_BYTES = 8


class Line(NamedTuple):
    """One line of the summary."""

    name: str
    text: str


def summarise(config: DriftJobConfig, n_training: int | None) -> list[Line]:
    """What is tested on which windows, how much state that takes and what it can find.

    Parameters
    ----------
    config : DriftJobConfig
    n_training : int or None
        Events in the training set; None when the reference is each model's first events.
    """
    n_ref = _n_reference(config, n_training)
    return [
        Line("tested", _tested(config)),
        Line("window", _window(config)),
        Line("reference", _reference(config, n_ref)),
        Line("state", _state(config, n_ref)),
        Line("alarm", _alarm(config, n_ref)),
    ]


def lowest_p_value(config: DriftJobConfig, n_ref: int) -> float:
    """The smallest p-value that the smallest window can have.

    Two samples of ``n_ref`` and ``n_test`` events that do not overlap at all are the extreme case.
    """
    test = config.detector.test
    if isinstance(test, PermutedConfig):
        return 1.0 / (1 + test.n_permutations)
    n_test = _fewest_events(config)
    if isinstance(test, BinomialConfig):
        return float(accuracy_p_values(n_held_out(n_ref, n_test)).min())
    if isinstance(test, ChiSquareConfig | MixedConfig):
        # Of a table whose exact distribution is too long to compute; small tables go lower.
        return _n_dimensions(config) / (1 + test.n_draws)
    extreme = ks_p_values(np.array([n_ref * n_test]), n_ref, n_test)
    return float(bonferroni(np.repeat(extreme, _n_dimensions(config))).min())


def _n_reference(config: DriftJobConfig, n_training: int | None) -> int:
    reference = config.reference
    if isinstance(reference, FirstEvents):
        return reference.n_events
    assert n_training is not None  # noqa: S101 - an artefact has been read to count its events
    return n_training


def _n_dimensions(config: DriftJobConfig) -> int:
    """Numbers kept for each event; an upper limit where the share of variance decides."""
    match config.detector.reducer:
        case PCAConfig(n_components=int(n_components)):
            n_dimensions = n_components
        case SparseRandomProjectionConfig(n_components=n_components):
            n_dimensions = n_components
        case HardPredictionsConfig():
            return 1
        case _:
            return n_columns_read(config)
    # The share of missing features is one dimension more.
    return n_dimensions + (config.input.missing_features == "allow")


def _fewest_events(config: DriftJobConfig) -> int:
    window = config.window
    return window.size if isinstance(window, CountWindow) else window.min_events


def _tested(config: DriftJobConfig) -> str:
    what = "outputs" if reads_outputs(config) else "features"
    reducer = config.detector.reducer.__struct_config__.tag
    test = config.detector.test.__struct_config__.tag
    return f"{n_columns_read(config)} {what} of each event, reducer {reducer}, test {test}"


def _window(config: DriftJobConfig) -> str:
    window = config.window
    if isinstance(window, CountWindow):
        return f"{window.size:,} events, every {window.slide:,} events"
    return (
        f"{_seconds(window.size_ms)}, every {_seconds(window.slide_ms)}, in panes of "
        f"{_seconds(config.panes.width_ms)}; tested from {window.min_events} events on"
    )


def _reference(config: DriftJobConfig, n_ref: int) -> str:
    if isinstance(config.reference, FirstEvents):
        return f"the first {n_ref:,} events of each model"
    return f"{n_ref:,} events of {config.reference.path}, for all models"


def _state(config: DriftJobConfig, n_ref: int) -> str:
    event_bytes = _FLOAT_BYTES * _n_dimensions(config)
    window = config.window
    if isinstance(window, CountWindow):
        recent = f"{_bytes(event_bytes * window.size)} for recent panes"
    else:
        panes = window.size_ms // config.panes.width_ms
        most = event_bytes * config.panes.max_events * panes
        recent = f"{event_bytes} B for each event of a window, at most {_bytes(most)}"
    return f"per model {_bytes(event_bytes * n_ref)} for the reference and {recent}"


def _alarm(config: DriftJobConfig, n_ref: int) -> str:
    level, lowest = config.calibration.level, lowest_p_value(config, n_ref)
    text = f"at a p-value of {level:g} or less; a window of {_fewest_events(config):,} events"
    if lowest > level:
        return f"{text} cannot alarm, its lowest p-value is {lowest:.2g}"
    return f"{text} can reach {lowest:.2g}"


def _seconds(time_ms: int) -> str:
    return f"{time_ms / 1000:g} s"


def _bytes(n: int) -> str:
    if n < 10_000:
        return f"{n} B"
    return f"{n / 1_000:,.0f} kB" if n < 10_000_000 else f"{n / 1_000_000:,.0f} MB"
