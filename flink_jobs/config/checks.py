"""Rules of a configuration that tie several keys together."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from flink_jobs.config.job import OTHER_MODELS, DriftJobConfig, KafkaTable
from flink_jobs.config.kafka_properties import check_properties
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.detectors import (
    BinomialConfig,
    ChiSquareConfig,
    HardPredictionsConfig,
    MixedConfig,
    PCAConfig,
    PermutedConfig,
    SoftmaxOutputsConfig,
    SparseRandomProjectionConfig,
)
from flink_jobs.config.tables.policy import check_policy
from flink_jobs.config.tables.references import FirstEvents, check_reference
from flink_jobs.config.tables.windows import CountWindow, check_window
from flink_jobs.config.two_sample_tests import (
    lowest_p_value,
    most_reference_events,
    most_tested,
    n_dimensions,
    sees_sample,
)
from flink_jobs.config.views import (
    Detector,
    View,
    detectors_of,
    n_columns_read,
    reads_outputs,
    views_of,
)


def cross_check(config: DriftJobConfig) -> list[Problem]:
    """List what no single key shows: panes that do not tile windows, levels no test can reach."""
    width_ms = config.panes.width_ms
    problems = [
        *check_window("window", config.window, width_ms),
        *_check_names(config),
        *check_reference(config.reference, width_ms),
        *_check_input(config),
        *_check_reducer(config),
        *_check_silence(config),
        *_check_topics(config.kafka),
        *check_properties(config.kafka.properties),
        *_check_named_models(config),
    ]
    for place, detector in enumerate(detectors_of(config)):
        problems += _check_detector(config, detector, _prefix(place))
    return problems or _check_reaches(config)


def _check_reaches(config: DriftJobConfig) -> list[Problem]:
    """Ask every detector's test for its lowest p-value, once all else is right."""
    return [
        problem
        for view_place, view in enumerate(views_of(config))
        for place, detector in enumerate(view.detectors)
        for problem in _check_reach(config, view, detector, _key(config, view_place, place))
    ]


def _key(config: DriftJobConfig, view_place: int, place: int) -> str:
    """Return the key under which the tables of a detector lie."""
    view = f"views[{view_place}]." if config.views else ""
    return view + _prefix(place)


def _prefix(place: int) -> str:
    """Return the key under which the tables of a detector lie: the first has the main ones."""
    return "" if place == 0 else f"detectors[{place - 1}]."


def _check_detector(config: DriftJobConfig, detector: Detector, prefix: str) -> Iterator[Problem]:
    """``prefix`` is empty for the main tables, whose test lies under ``detector``."""
    if prefix:
        yield from check_window(f"{prefix}window", detector.window, config.panes.width_ms)
    level = detector.calibration.level
    yield from _check_test(config, detector, level, f"{prefix}test" if prefix else "detector.test")
    yield from _check_fewest_events(detector, f"{prefix}window")
    for problem in check_policy(detector.policy, level):
        yield msgspec.structs.replace(problem, key=f"{prefix}{problem.key}")


def _check_names(config: DriftJobConfig) -> Iterator[Problem]:
    seen: set[str] = set()
    for place, detector in enumerate(detectors_of(config)):
        if detector.name in seen:
            wrong = f"{detector.name!r} is taken"
            yield Problem(f"detectors[{place - 1}].name", wrong, "a name of its own")
        seen.add(detector.name)


def _check_input(config: DriftJobConfig) -> Iterator[Problem]:
    field, least = ("outputs", 2) if reads_outputs(config) else ("features", 1)
    if n_columns_read(config) < least:
        kind = msgspec.to_builtins(views_of(config)[0].reducer)["kind"]
        yield Problem(
            f"input.n_{field}",
            f"the reducer {kind!r} reads the events' {field}, and there are "
            f"{n_columns_read(config)}",
            f"{least} or more",
        )


def _check_reducer(config: DriftJobConfig) -> Iterator[Problem]:
    reducer = views_of(config)[0].reducer
    if isinstance(reducer, PCAConfig) and isinstance(reducer.n_components, int):
        most = config.input.n_features
        if isinstance(config.reference, FirstEvents):
            most = min(most, config.reference.n_events)
        if reducer.n_components > most > 0:
            yield Problem(
                "detector.reducer.n_components",
                f"{reducer.n_components} components from {most} features or reference events",
                f"1 to {most}, or a share of variance between 0 and 1",
            )


def _check_test(
    config: DriftJobConfig, detector: Detector, level: float, key: str
) -> Iterator[Problem]:
    reducer, test = views_of(config)[0].reducer, detector.test
    if isinstance(test, PermutedConfig) and 1.0 / (1 + test.n_permutations) > level:
        yield Problem(
            f"{key}.n_permutations",
            f"{test.n_permutations} permutations never give a p-value of {level} or less",
            f"{math.ceil(1.0 / level) - 1} or more, or a higher calibration.level",
        )
    continuous = PCAConfig | SparseRandomProjectionConfig | SoftmaxOutputsConfig
    if isinstance(test, ChiSquareConfig | MixedConfig) and isinstance(reducer, continuous):
        yield Problem(
            f"{key}.kind",
            "this reducer leaves no categories to compare",
            "with the reducer 'hard_predictions', or 'none' where features are categories",
        )
    if isinstance(test, MixedConfig):
        width = 1 if isinstance(reducer, HardPredictionsConfig) else config.input.n_features
        if max(test.categorical_columns) >= width:
            yield Problem(
                f"{key}.categorical_columns",
                f"{max(test.categorical_columns)} is none of {width} columns",
                f"0 to {width - 1}",
            )


def _check_reach(
    config: DriftJobConfig, view: View, detector: Detector, prefix: str
) -> Iterator[Problem]:
    """Refuse windows and references in which samples without anything in common do not alarm."""
    level = detector.calibration.level
    n_test = most_tested(view, detector, config.sample.size)
    n_ref = most_reference_events(view)
    if sees_sample(view, detector.test):
        n_ref = min(n_ref, config.sample.size)
    lowest = lowest_p_value(view, detector.test, n_ref, n_test)
    if lowest > level:
        name = "size" if isinstance(detector.window, CountWindow) else "max_events"
        yield Problem(
            f"{prefix}window.{name}",
            f"{n_test} events against a reference of {n_ref} never alarm: their lowest p-value in "
            f"{n_dimensions(view, detector.test)} dimensions is {lowest:.2g}, above the level of "
            f"{level:g}",
            "more events in a window, in the reference or in sample.size, fewer dimensions, or a "
            "higher calibration.level",
        )


def _check_fewest_events(detector: Detector, key: str) -> Iterator[Problem]:
    window = detector.window
    name, fewest = (
        ("size", window.size)
        if isinstance(window, CountWindow)
        else ("min_events", window.min_events)
    )
    if isinstance(detector.test, BinomialConfig) and fewest < BinomialConfig.min_events:
        allowed = f"{BinomialConfig.min_events} or more: half train"
        yield Problem(f"{key}.{name}", f"{fewest} events", allowed)


def _check_silence(config: DriftJobConfig) -> Iterator[Problem]:
    after_ms, width_ms = config.silence.after_ms, config.panes.width_ms
    if 0 < after_ms < width_ms:
        wrong = f"{after_ms} is less than a pane"
        yield Problem("silence.after_ms", wrong, f"{width_ms} or more, or 0")


def _check_named_models(config: DriftJobConfig) -> Iterator[Problem]:
    if OTHER_MODELS in config.job.named_models:
        wrong = f"{OTHER_MODELS!r} is the name under which all other models are counted"
        yield Problem("job.named_models", wrong, "other names")


def _check_topics(kafka: KafkaTable) -> Iterator[Problem]:
    names = ["inference_topic", "alerts_topic", "scores_topic", "dead_letters_topic"]
    if kafka.control_topic is not None:
        names += ["control_topic", "audit_topic"]
    seen: dict[str, str] = {}
    for name in names:
        topic = getattr(kafka, name)
        if topic in seen:
            yield Problem(f"kafka.{name}", f"{topic!r} is also {seen[topic]}", "a topic of its own")
        seen[topic] = f"kafka.{name}"
