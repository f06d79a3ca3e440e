"""Rules of a configuration that tie several keys together."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from flink_jobs.config.calibration import check_calibration, level_at, lower_promise
from flink_jobs.config.column_checks import (
    check_categories,
    check_columns,
    check_evidence_columns,
    check_reducer,
    check_view_tables,
    own_key,
)
from flink_jobs.config.columns import are_named
from flink_jobs.config.costs import check_costs
from flink_jobs.config.job import OTHER_MODELS, DriftJobConfig, KafkaTable
from flink_jobs.config.kafka_properties import check_properties
from flink_jobs.config.many_model_checks import (
    check_discoverable,
    check_many_models,
    without_columns,
)
from flink_jobs.config.place_checks import check_parts, check_paths, check_places
from flink_jobs.config.sequential_detectors import check_can_watch
from flink_jobs.config.tables.base import Problem
from flink_jobs.config.tables.detectors import (
    BinomialConfig,
    HardPredictionsConfig,
    PermutedConfig,
    SoftmaxOutputsConfig,
    kind_and_parameters,
)
from flink_jobs.config.tables.policy import check_policy
from flink_jobs.config.tables.references import check_reference
from flink_jobs.config.tables.sequential import (
    check_sequential,
    check_sequential_policy,
    policy_of_sequential,
)
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
    more_detectors_key,
    sequential_places,
    view_tables,
    views_of,
    windowed_places,
)

# Kafka's own default, and room for the key and what is around a record.
_LARGEST_REQUEST, _REQUEST_BYTES = 1_048_576, 1_024


def cross_check(config: DriftJobConfig) -> list[Problem]:
    """List what no single key shows: panes that do not tile windows, levels no test can reach."""
    if problems := list(check_paths(config)):
        return problems
    problems = [
        *check_places(config),
        *check_parts(config),
        *check_columns(config),
        *check_view_tables(config),
        *check_evidence_columns(config),
        *_check_detector_tables(config),
        *_check_silence(config),
        *check_many_models(config),
        *_check_topics(config.kafka),
        *_check_evidence_size(config),
        *check_properties(config.kafka.properties),
        *_check_named_models(config),
    ]
    views = [] if problems and config.views else views_of(config)
    for place, view in enumerate(views):
        problems += _check_view(config, place, view)
    # The main tables are those of every view that leaves its own out.
    problems = list(dict.fromkeys(problems))
    return (
        problems
        or list(check_costs(config))
        or [
            problem
            for place, view in enumerate(views)
            for detector_place in range(len(view.detectors))
            for problem in _check_reach(config, place, view, detector_place)
        ]
    )


def _check_view(config: DriftJobConfig, place: int, view: View) -> Iterator[Problem]:
    width_ms = config.panes.width_ms
    for problem in check_reference(view.reference, width_ms):
        yield _under(problem, own_key(config, place, "reference").removesuffix("reference"))
    if view.slots:
        yield from check_reducer(config, view, own_key(config, place, "reducer"))
    seen: set[str] = set()
    for detector_place, detector in enumerate(view.detectors):
        keys = _Keys(config, place, detector_place)
        if detector.name in seen:
            yield Problem(keys.of("name"), f"{detector.name!r} is taken", "a name of its own")
        seen.add(detector.name)
        yield from _check_detector(config, view, detector, keys)
    for name in view.detector_names[len(view.detectors) :]:
        if name in seen:
            yield Problem(
                f"{more_detectors_key(config, place)}.name",
                f"{name!r} is taken",
                "a name of its own",
            )
        seen.add(name)
    if not view.slots:
        yield _without_columns(config, view)
    else:
        yield from _check_sequential_of(config, place, view)


class _Keys:
    """The keys under which the tables of a detector stand."""

    def __init__(self, config: DriftJobConfig, place: int, detector_place: int) -> None:
        self._config = config
        self._place = place
        places = windowed_places(view_tables(config)[place])
        self._more = -1 if detector_place == 0 else places[detector_place - 1]

    def of(self, name: str) -> str:
        """Return the key of a table of the detector, or of one that the view leaves out."""
        if self._more < 0:
            return own_key(self._config, self._place, name)
        return f"{more_detectors_key(self._config, self._place)}[{self._more}].{name}"


def _check_detector_tables(config: DriftJobConfig) -> Iterator[Problem]:
    """Refuse detectors that have neither windows nor a memory, or keys that suit only windows."""
    for place, table in enumerate(view_tables(config)):
        for number, each in enumerate(table.detectors):
            key = f"{more_detectors_key(config, place)}[{number}]"
            if each.sequential is None and each.window is None:
                wrong = "neither window nor sequential"
                yield Problem(f"{key}.window", wrong, "one of them: windows that are tested, or "
                              "a detector that takes in every pane")  # fmt: skip
            if each.sequential is None:
                continue
            for name in ("window", "test", "calibration"):
                if getattr(each, name) is not None:
                    wrong = "a sequential detector has none: it takes in every pane"
                    yield Problem(f"{key}.{name}", wrong, f"{name} or sequential, not both")
            yield from check_sequential(f"{key}.sequential", each.sequential, config.panes.width_ms)
            if each.policy is not None:
                yield from check_sequential_policy(f"{key}.policy", each.policy)


def _check_sequential_of(config: DriftJobConfig, place: int, view: View) -> Iterator[Problem]:
    """Check the sequential detectors of a view."""
    places = sequential_places(view_tables(config)[place])
    reference = own_key(config, place, "reference")
    for number, each in zip(places, view.sequential, strict=True):
        key = f"{more_detectors_key(config, place)}[{number}]"
        if (each.table.run_time_events is None) != (each.table.run_time_ms is None):
            yield from check_can_watch(f"{key}.sequential", reference, view, each.table)
        if config.storm is not None and not each.policy.top_columns:
            yield without_columns(f"{key}.policy.top_columns")
        for problem in check_policy(policy_of_sequential(each.policy)):
            yield _under(problem, f"{key}.")


def _without_columns(config: DriftJobConfig, view: View) -> Problem:
    kind = kind_and_parameters(view.reducer)[0]
    is_output = isinstance(view.reducer, SoftmaxOutputsConfig | HardPredictionsConfig)
    role = "outputs" if is_output else "features"
    if are_named(config):
        wrong = f"the reducer {kind!r} reads {role}, and none is named"
        return Problem(f"columns.{role}", wrong, "names of columns")
    least = 2 if is_output else 1
    wrong = f"the reducer {kind!r} reads the events' {role}, and there are 0"
    return Problem(f"input.n_{role}", wrong, f"{least} or more")


def _under(problem: Problem, prefix: str) -> Problem:
    return msgspec.structs.replace(problem, key=f"{prefix}{problem.key}")


def _check_detector(
    config: DriftJobConfig, view: View, detector: Detector, keys: _Keys
) -> Iterator[Problem]:
    window, test, policy = keys.of("window"), keys.of("test"), keys.of("policy")
    yield from check_window(window, detector.window, config.panes.width_ms)
    if view.slots:
        yield from check_categories(view, detector.test, test)
    yield from _check_fewest_events(detector, window)
    yield from check_calibration(keys.of("calibration"), detector)
    if config.storm is not None and not detector.policy.top_columns:
        yield without_columns(f"{policy}.top_columns")
    for problem in check_policy(detector.policy):
        yield _under(problem, policy.removesuffix("policy"))


def _check_permutations(detector: Detector, level: float, keys: _Keys) -> Iterator[Problem]:
    test = detector.test
    if isinstance(test, PermutedConfig) and 1.0 / (1 + test.n_permutations) > level:
        yield Problem(
            f"{keys.of('test')}.n_permutations",
            f"{test.n_permutations} permutations never give a p-value of {level:.2g} or less",
            f"{math.ceil(1.0 / level) - 1} or more, or {lower_promise(detector.calibration)}",
        )


def _check_recovery(detector: Detector, level: float, keys: _Keys) -> Iterator[Problem]:
    recover_level = detector.policy.recover_level
    if recover_level is not None and recover_level < level:
        yield Problem(
            f"{keys.of('policy')}.recover_level",
            f"{recover_level} is below the level at which a window drifts, {level:.2g}",
            f"{level:.2g} or more, below 1",
        )


def _check_reach(
    config: DriftJobConfig, place: int, view: View, detector_place: int
) -> Iterator[Problem]:
    """Refuse windows and references in which samples without anything in common do not alarm."""
    detector = view.detectors[detector_place]
    keys = _Keys(config, place, detector_place)
    n_test = most_tested(view, detector, config.sample.size)
    n_ref = most_reference_events(view)
    if sees_sample(view, detector.test):
        n_ref = min(n_ref, config.sample.size)
    level = level_at(config, view, detector, n_ref, n_test)
    yield from _check_recovery(detector, level, keys)
    problems = list(_check_permutations(detector, level, keys))
    yield from problems
    lowest = lowest_p_value(view, detector.test, n_ref, n_test)
    if lowest > level and not problems:
        name = "size" if isinstance(detector.window, CountWindow) else "max_events"
        yield Problem(
            f"{keys.of('window')}.{name}",
            f"{n_test} events against a reference of {n_ref} never alarm: their lowest p-value in "
            f"{n_dimensions(view, detector.test)} dimensions is {lowest:.2g}, above the level of "
            f"{level:.3g}",
            "more events in a window, in the reference or in sample.size, fewer dimensions, or "
            f"{lower_promise(detector.calibration)}",
        )
    yield from check_discoverable(config, detector, lowest)


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


def _check_evidence_size(config: DriftJobConfig) -> Iterator[Problem]:
    """Refuse records that the writer would refuse, at which the job would start again for ever."""
    size = config.kafka.properties.get("max.request.size", str(_LARGEST_REQUEST))
    most = int(size) - _REQUEST_BYTES if size.isdecimal() else None
    is_written = config.kafka.evidence_topic is not None
    if is_written and most is not None and config.evidence.max_bytes > most:
        wrong = f"{config.evidence.max_bytes}, and the Kafka property max.request.size is {size}"
        yield Problem("evidence.max_bytes", wrong, f"{most} or less, or a larger request")


def _check_topics(kafka: KafkaTable) -> Iterator[Problem]:
    names = ["inference_topic", "alerts_topic", "scores_topic", "dead_letters_topic"]
    if kafka.control_topic is not None:
        names += ["control_topic", "audit_topic"]
    if kafka.evidence_topic is not None:
        names.append("evidence_topic")
    if kafka.status_topic is not None:
        names.append("status_topic")
    seen: dict[str, str] = {}
    for name in names:
        topic = getattr(kafka, name)
        if topic in seen:
            yield Problem(f"kafka.{name}", f"{topic!r} is also {seen[topic]}", "a topic of its own")
        seen[topic] = f"kafka.{name}"
