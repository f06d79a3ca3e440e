"""Parts that models share are made once, however many there are; the others are bounded."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core import plan
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.core.bounded_cache import BoundedCache
from flink_jobs.core.plan import Plan, Plans
from flink_jobs.intake.layouts import Layouts
from tests.builders import level_of, make_config

OVERRIDES = [
    {"models": "strict-*", "calibration": {"level": 1e-4}},
    {"models": "*-wide", "input": {"n_features": 4}},
]
NAMES = [f"{kind}{n}" for n in range(1_500) for kind in ("strict-", "plain-")]


def test_models_of_one_override_share_one_plan_however_many_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[DriftJobConfig] = []
    make_plan = plan.make_plan

    def counted(config: DriftJobConfig, *given: Any) -> Plan:
        made.append(config)
        return make_plan(config, *given)

    monkeypatch.setattr(plan, "make_plan", counted)
    plans = Plans(make_config(overrides=OVERRIDES), Artefacts())
    change = '{"policy":{"cooldown_ms":1}}'

    for _ in range(2):
        for name in NAMES:
            plans.of(name)
            plans.of(name, change)

    levels = sorted((level_of(c), c.policy.cooldown_ms) for c in made)
    assert levels == [(1e-4, 0), (1e-4, 1), (0.01, 0), (0.01, 1)]


def test_models_of_one_override_share_one_layout() -> None:
    layouts = Layouts(make_config(overrides=OVERRIDES))

    assert len({id(layouts.of(name)) for name in NAMES}) == 2
    assert layouts.of("a-wide") is layouts.of("b-wide") is not layouts.of("c")


@pytest.mark.parametrize("n_keys", [9, 11, 12])
def test_of_keys_in_turn_those_that_fit_are_found(n_keys: int) -> None:
    cache: BoundedCache[bytes] = BoundedCache(1_000, len)
    made: list[bytes] = []

    def make() -> bytes:
        made.append(bytes(100))
        return made[-1]

    for key in range(n_keys):
        cache.get(key, make)
    made.clear()
    for key in list(range(n_keys)) * 200:
        cache.get(key, make)

    # One that has no place misses, and so do those whose place it takes: never all of them.
    missed = len(made) / (200 * n_keys)
    assert missed <= max(0.0, 2 * (1 - 10 / n_keys))
    assert len(cache) <= 10


def test_a_cache_holds_no_more_than_its_size_and_at_least_the_newest() -> None:
    cache: BoundedCache[bytes] = BoundedCache(1_000, len)
    rng = np.random.default_rng(0)
    held: list[int] = []

    for key, size in enumerate(rng.integers(0, 500, size=300).tolist()):
        cache.get(key, partial(bytes, size))
        held.append(cache.size)
    cache.get("large", lambda: bytes(5_000))

    assert max(held) <= 1_000
    assert len(cache) == 1
    assert len(cache.get("large", lambda: b"made again")) == 5_000
