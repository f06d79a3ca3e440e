"""What arrives in Beam's metrics container, from which PyFlink sends metrics to the JVM."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from apache_beam.metrics.execution import MetricsContainer
from apache_beam.runners.worker import statesampler
from apache_beam.utils.counters import CounterFactory
from pyflink.fn_execution.metrics.process.metric_impl import GenericMetricGroup

from flink_jobs.core.actions import Actions
from flink_jobs.flink.metrics import (
    PANE_REASONS,
    REFUSED_REASONS,
    MonitorMetrics,
    RefusedMetrics,
    last_statistic_millionths,
)
from flink_jobs.records.command_decoder import UnusableCommandError, refusal
from flink_jobs.records.dead_letters import DeadLetter, Reason
from tests.builders import make_config, make_panes, run_monitor

LATE = DeadLetter(reason=Reason.LATE, detail="", model="a", partition=0, offset=0, event_time_ms=0)
REPORTS = Callable[[GenericMetricGroup], None]


def counted(report: REPORTS) -> dict[str, int]:
    """Counters by path, after ``report`` ran as it would within a bundle."""
    container, group = MetricsContainer("step"), GenericMetricGroup(None, None)
    sampler = statesampler.StateSampler("bundle", CounterFactory())
    state = sampler.scoped_state("step", "process", metrics_container=container)
    statesampler.set_current_tracker(sampler)
    sampler.start()
    try:
        with state:
            report(group)
    finally:
        sampler.stop()
        statesampler.set_current_tracker(None)
    counters = container.get_cumulative().counters
    return {_path(key.metric.namespace, key.metric.name): n for key, n in counters.items()}


def _path(namespace: str, name: str) -> str:
    # The namespace lists the names of the groups, then their types.
    groups = json.loads(namespace)
    return ".".join([*groups[1 : len(groups) // 2], name])


def no_state() -> int:
    return 0


def gauges(report: REPORTS) -> dict[str, int]:
    """Gauges of the one model that ``report`` tells of, which are read when a bundle ends."""
    found: dict[str, int] = {}

    def look(group: GenericMetricGroup) -> None:
        report(group)
        [loudly] = group._sub_groups
        for model in loudly._sub_groups:
            for of_model in model._sub_groups:
                found.update({k: gauge() for k, gauge in of_model._flink_gauge.items()})

    counted(look)
    return found


@pytest.fixture(scope="module")
def actions() -> list[Actions]:
    return run_monitor(make_config(calibration={"level": 1e-3}), make_panes([30] * 8, shift_from=4))


@pytest.mark.parametrize("models", [["a", "b", "c", "d"], ["d", "c", "b", "a"]])
def test_the_models_that_the_job_names_have_metrics_whichever_come_first(
    models: list[str], actions: list[Actions]
) -> None:
    def report(group: GenericMetricGroup) -> None:
        metrics = MonitorMetrics(group, named_models=["a", "b"])
        for each in actions:
            for model in models:
                metrics.report(model, each, no_state)

    counts = counted(report)

    n = sum(a.counts.windows_tested for a in actions)
    tested = {k: v for k, v in counts.items() if "model." in k and k.endswith("windows_tested")}
    assert tested == {
        "model.a.windows_tested": n,
        "model.b.windows_tested": n,
        "model.other.windows_tested": 2 * n,
    }
    assert counts["windows_tested"] == 4 * n > 0


def test_made_up_model_names_cannot_make_more_metrics(actions: list[Actions]) -> None:
    def report(group: GenericMetricGroup) -> None:
        metrics = MonitorMetrics(group)
        for number in range(1_000):
            metrics.report(f"made-up-{number}", actions[0], no_state)

    counts = counted(report)

    of_models = {k: v for k, v in counts.items() if k.startswith("model.")}
    assert of_models.keys() == {
        "model.other.events",
        "model.other.windows_tested",
        "model.other.alerts",
    }
    assert of_models["model.other.events"] == 1_000 * 30


def test_every_reason_and_kind_is_there_before_it_happens(actions: list[Actions]) -> None:
    counts = counted(lambda group: MonitorMetrics(group).report("a", actions[0], no_state))

    reasons = {k.split(".")[1] for k in counts if k.startswith("reason.")}
    assert reasons == set(PANE_REASONS)
    assert {k for k in counts if k.startswith("kind.")} == {
        "kind.started.alerts",
        "kind.ongoing.alerts",
        "kind.recovered.alerts",
    }


def test_answers_are_counted_by_outcome_where_a_job_takes_commands() -> None:
    audit = refusal(UnusableCommandError("no command"), partition=0, offset=0, job="loudly")

    counts = counted(lambda group: MonitorMetrics(group, takes_commands=True).answered([audit]))

    assert counts == {
        "outcome.applied.commands": 0,
        "outcome.refused.commands": 1,
        "outcome.waiting.commands": 0,
        "outcome.accepted.commands": 0,
    }


def test_late_events_are_counted_for_the_named_models_and_summed_for_the_rest() -> None:
    def report(group: GenericMetricGroup) -> None:
        metrics = RefusedMetrics(group, ["a", "b"])
        for model in ("c", "d", "a", "b", "a"):
            metrics.report(msgspec.structs.replace(LATE, model=model))
        metrics.report(msgspec.structs.replace(LATE, reason=Reason.FAR_FUTURE))

    counts = counted(report)

    assert {k: v for k, v in counts.items() if k.startswith("model.")} == {
        "model.a.late_events": 2,
        "model.b.late_events": 1,
        "model.other.late_events": 2,
    }


def test_gauges_show_the_reference_and_the_size_of_the_state() -> None:
    collecting = Actions(reference_events_missing=40)
    monitoring = Actions(reference_events_missing=0, reference_age_events=7, reference_age_ms=9_000)

    def report(group: GenericMetricGroup, all_actions: list[Actions]) -> None:
        metrics = MonitorMetrics(group, named_models=["a"])
        for each in all_actions:
            metrics.report("a", each, lambda: 500)

    assert gauges(lambda group: report(group, [collecting])) == {
        "state_bytes": 500,
        "reference_events_missing": 40,
    }
    ages = {"reference_age_events": 7, "reference_age_ms": 9_000}
    shown = gauges(lambda group: report(group, [collecting, monitoring]))
    assert shown == {"state_bytes": 500, "reference_events_missing": 0} | ages
    # The reference is gone, and its age with it.
    shown = gauges(lambda group: report(group, [monitoring, collecting]))
    assert shown == {"state_bytes": 500, "reference_events_missing": 40} | dict.fromkeys(ages, 0)


def test_the_two_operators_share_all_reasons_and_overlap_where_a_pane_is_full_of_rows() -> None:
    assert set(PANE_REASONS) | set(REFUSED_REASONS) == set(Reason)
    assert set(PANE_REASONS) & set(REFUSED_REASONS) == {Reason.PANE_FULL}


def test_an_operator_that_looks_into_payloads_counts_those_it_cannot_read() -> None:
    letter = msgspec.structs.replace(LATE, reason=Reason.UNDECODABLE)

    counts = counted(lambda group: RefusedMetrics(group, is_located=True).report(letter))

    assert counts["reason.undecodable.dead_letters"] == 1


def test_a_refused_event_is_an_event_and_a_dead_letter_of_its_reason() -> None:
    counts = counted(lambda group: RefusedMetrics(group, ["a"]).report(LATE))

    assert {k: v for k, v in counts.items() if v} == {
        "events": 1,
        "dead_letters": 1,
        "reason.late.dead_letters": 1,
        "model.a.late_events": 1,
    }


def test_the_last_statistic_fits_into_64_bits_however_large(actions: list[Actions]) -> None:
    score = actions[-1].scores[-1]
    assert score.statistic is not None

    assert last_statistic_millionths([]) is None
    assert last_statistic_millionths([score]) == round(score.statistic * 1e6)
    huge = msgspec.structs.replace(score, statistic=1e300)
    assert last_statistic_millionths([score, huge]) == 2**63 - 1
