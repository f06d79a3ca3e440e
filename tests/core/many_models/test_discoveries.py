"""Incidents of drift that are told of, with few false ones among them over all models."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from detectors.discovery.e_values import ELond, e_value_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.decisions import Decisions
from flink_jobs.core.many_models.stage import ManyModels
from flink_jobs.core.state.model_state import InMemoryEntries, LiveEntries
from flink_jobs.records.alerts import Alert, AlertKind, Cause
from tests.builders import make_config
from tests.core.many_models.raised import LAG_MS, later, raised

ONGOING, RECOVERED, STARTED = AlertKind.ONGOING, AlertKind.RECOVERED, AlertKind.STARTED
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def config_of(level: float = 0.1, per_ms: int = DAY_MS, **tables: object) -> DriftJobConfig:
    return make_config(false_discoveries={"level": level, "per_ms": per_ms}, **tables)


def decide(
    alerts: Sequence[Alert], tested_ms: Sequence[int], config: DriftJobConfig | None = None
) -> Decisions:
    stage = ManyModels(config or config_of(), LiveEntries())
    for at_ms in tested_ms:
        stage.take_tests(at_ms)
    for alert in alerts:
        stage.take(alert)
    return stage.end()


def start(model: str, at_ms: int, p_value: float, **more: object) -> Alert:
    return raised(model, at_ms, p_value=p_value, **more)  # type: ignore[arg-type]


def test_strong_evidence_goes_on_with_its_share_of_the_budget_and_weak_is_held_back() -> None:
    strong, weak = start("a", 5, 1e-30), start("b", 5, 1e-3)

    decisions = decide([weak, strong], [5] * 100)

    (alert,) = decisions.alerts
    assert alert.error_budget is not None
    expected = ELond(0.1)
    expected.pass_over(100)
    assert alert.error_budget.level == expected.next_level()
    assert alert.error_budget.e_value == e_value_of(1e-30)
    assert msgspec.structs.replace(alert, error_budget=None) == strong
    counts = decisions.counts
    assert (counts.raised, counts.passed, counts.no_discoveries) == (2, 1, 1)


def test_windows_of_all_models_count_whether_they_raise_an_alert_or_not() -> None:
    alert = start("a", 50, 1e-8)

    assert decide([alert], [50]).counts.passed == 1
    assert decide([alert], [*range(10_000, 20_000), 50]).counts.passed == 1
    assert decide([alert], [1] * 10_000).counts.passed == 0


def test_other_causes_and_alerts_without_a_test_behind_them_pass() -> None:
    alerts = [raised("a", 1, cause=Cause.SILENCE), raised("b", 1), raised("c", 1, kind=RECOVERED)]

    assert decide(alerts, [1] * 10_000).alerts == alerts


def test_an_incident_that_is_no_discovery_is_held_to_its_end_or_until_it_becomes_one() -> None:
    first, other = start("a", 1, 1e-3, n_suppressed=2), start("b", 1, 1e-3)
    stronger = msgspec.structs.replace(later(first, 9, ONGOING), p_value=1e-40)
    ends = [later(first, 20, RECOVERED), later(other, 20, RECOVERED)]

    decisions = decide([first, other, stronger, *ends], [1] * 100)

    told, end = decisions.alerts
    assert (told.kind, told.incident_id, told.n_suppressed) == (STARTED, first.incident_id, 3)
    assert told.alert_id != stronger.alert_id
    assert end == ends[0]
    assert decisions.counts.no_discoveries == 3


def test_each_period_has_a_budget_of_its_own_and_expects_as_many_tests_as_the_one_before() -> None:
    config = config_of(per_ms=HOUR_MS)
    tests = [m * 1_000 for m in range(1_000)] + [HOUR_MS + m * 1_000 for m in range(1_000)]
    late = start("a", HOUR_MS + 999_000, 1e-12)

    (alert,) = decide([late], tests, config).alerts

    assert alert.error_budget is not None
    expected = ELond(0.1, n_expected=1_000)
    expected.pass_over(1_000)
    assert alert.error_budget.level == expected.next_level()


def test_storms_are_found_among_discoveries() -> None:
    config = config_of(storm={"models": 2, "within_ms": 5_000})
    strong = [start(m, 5, 1e-30) for m in "ab"]
    weak = [start(m, 5, 1e-3) for m in "cd"]

    (alert,) = decide([*weak, *strong], [5] * 1_000, config).alerts

    assert alert.storm is not None
    assert alert.storm.models == ["a", "b"]


P_VALUES = st.sampled_from([1e-40, 1e-12, 1e-8, 1e-5, 1e-3])


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Alert], list[int]]:
    alerts: list[Alert] = []
    for number in range(draw(st.integers(0, 12))):
        at_ms = draw(st.integers(0, 40)) * 1_000
        model = draw(st.sampled_from("abc"))
        first = start(model, at_ms, draw(P_VALUES), incident=f"i{number}", view=f"v{number}")
        alerts.append(first)
        for _ in range(draw(st.integers(0, 2))):
            at_ms += draw(st.integers(1, 9)) * 1_000
            alerts.append(
                msgspec.structs.replace(later(first, at_ms, ONGOING), p_value=draw(P_VALUES))
            )
        if draw(st.booleans()):
            alerts.append(later(first, at_ms + 1_000, RECOVERED))
    quiet = draw(st.lists(st.integers(0, 60), max_size=30))
    tests = [a.window.closed_ms for a in alerts if a.kind is not RECOVERED]
    return alerts, [*tests, *(second * 1_000 for second in quiet)]


def by_definition(alerts: Sequence[Alert], tested_ms: Sequence[int], per_ms: int) -> set[str]:
    """The incidents that are discoveries, by counting everything anew for each decision."""
    order = sorted(alerts, key=lambda a: (a.window.closed_ms, a.model, a.view))
    found: dict[int, list[str]] = {}
    n_decided: dict[int, int] = {}
    told: set[str] = set()
    for alert in order:
        if alert.incident_id in told or alert.kind is RECOVERED:
            continue
        period = alert.window.closed_ms // per_ms
        n_before = sum(t // per_ms == period - 1 for t in tested_ms)
        n_here = sum(t // per_ms == period and t <= alert.window.closed_ms for t in tested_ms)
        place = n_here + n_decided.get(period, 0) + 1
        n_decided[period] = n_decided.get(period, 0) + 1
        share = place**-1.6 / 2.2857656752  # zeta(1.6)
        if n_before:
            share = share / 2 + (0.5 / n_before if place <= n_before else 0.0)
        level = 0.1 * share * (len(found.get(period, [])) + 1)
        if alert.p_value ** (-15 / 16) / 16 >= 1 / level:  # type: ignore[operator]
            found.setdefault(period, []).append(alert.incident_id)
            told.add(alert.incident_id)
    return told


@settings(max_examples=100, deadline=None)
@given(streams())
def test_decisions_are_those_of_an_oracle_that_sees_all_at_once(
    stream: tuple[list[Alert], list[int]],
) -> None:
    alerts, tested_ms = stream

    decisions = decide(alerts, tested_ms, config_of(per_ms=20_000))

    told = {a.incident_id for a in decisions.alerts if a.kind is STARTED}
    assert told == by_definition(alerts, tested_ms, 20_000)
    assert told == {a.incident_id for a in decisions.alerts}
    counts = decisions.counts
    assert counts.raised == len(alerts) == counts.passed + counts.no_discoveries


@settings(max_examples=60, deadline=None)
@given(streams(), st.integers(0, 2**32))
def test_arrival_restarts_and_the_steps_of_time_change_nothing(
    stream: tuple[list[Alert], list[int]], seed: int
) -> None:
    alerts, tested_ms = stream
    config = config_of(per_ms=20_000, storm={"models": 2, "within_ms": 6_000})
    at_once = decide(alerts, tested_ms, config)
    rng, state, found = random.Random(seed), InMemoryEntries(), list[Alert]()
    stage = ManyModels(config, state)
    late_ms = {a.incident_id: rng.randrange(LAG_MS) for a in alerts}
    arrivals: list[tuple[int, Alert | int]] = [
        *((a.window.closed_ms + late_ms[a.incident_id], a) for a in alerts),
        *((at_ms + rng.randrange(LAG_MS), at_ms) for at_ms in tested_ms),
    ]

    for now_ms, arrived in sorted(arrivals, key=lambda each: each[0]):
        if rng.random() < 0.5:
            found += stage.advance(now_ms - 1).alerts
        if rng.random() < 0.3:
            state = copy.deepcopy(state)
            stage = ManyModels(config, state)
        if isinstance(arrived, int):
            stage.take_tests(arrived)
        else:
            stage.take(arrived)
    found += stage.end().alerts

    assert found == at_once.alerts


def test_with_a_thousand_models_of_which_fifty_drift_few_of_the_discoveries_are_false() -> None:
    shares, found = [], []
    for seed in range(20):
        n_true, n_false = discovered(np.random.default_rng(seed))
        shares.append(n_false / max(1, n_true + n_false))
        found.append(n_true / 50)

    assert np.mean(shares) <= 0.1
    assert np.mean(found) > 0.8


def discovered(rng: np.random.Generator, n_windows: int = 24) -> tuple[int, int]:
    """True and false discoveries in a day of 1,000 models after a day without drift.

    Windows overlap by half: neighbours share half of what makes their p-values. 50 models drift
    from the middle of the day on. An incident starts with the second drifting window in a row.
    """
    config = config_of()
    step_ms, noise = DAY_MS // n_windows, rng.normal(size=(1_000, 2 * n_windows + 1))
    z = (noise[:, 1:] + noise[:, :-1]) / np.sqrt(2.0)
    z[:50, n_windows + n_windows // 2 :] += 8.0
    p = norm.sf(z)
    drifts = p <= 0.001
    starts = drifts[:, 1:] & drifts[:, :-1]
    stage = ManyModels(config, LiveEntries())
    for window in range(2 * n_windows):
        stage.take_tests(window * step_ms, 1_000)
    for model, window in zip(*np.nonzero(starts), strict=True):
        if window and starts[model, window - 1]:
            continue
        at_ms = int(window + 1) * step_ms
        name, incident = f"m{model:04d}", f"m{model}/{window}"
        stage.take(start(name, at_ms, float(p[model, window + 1]), incident=incident))
    told = [a for a in stage.end().alerts if a.window.closed_ms >= DAY_MS]
    n_true = len({a.model for a in told if a.model < "m0050"})
    return n_true, sum(a.model >= "m0050" for a in told)


@pytest.mark.parametrize("p_value", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_makes_no_e_value(p_value: float) -> None:
    with pytest.raises(ValueError, match="p-value"):
        e_value_of(p_value)
