"""The scenarios, each a function from options and a teller to an outcome."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from scripts.faults.outcome import Options, Outcome
from scripts.faults.scenarios import (
    broker_pause,
    fuzz,
    hourly,
    kills,
    slow_sink,
    soak,
    traffic,
    unwritable_checkpoints,
)
from scripts.faults.stage import Teller


class Scenario(NamedTuple):
    """How it is played, and how many seconds that takes on two idle cores."""

    play: Callable[[Options, Teller], Outcome]
    seconds: Callable[[Options], float]


def _short(options: Options) -> float:
    return 90 + options.events / 3_000


def _soak(name: str) -> Scenario:
    n_runs = 2 if name == "soak-kill" else 1
    return Scenario(
        partial(soak.play, name),
        lambda o: 60 + o.soak_events / 250_000 + n_runs * (60 + o.soak_events / 60_000),
    )


SCENARIOS = {
    kills.NAME: Scenario(kills.play, lambda o: _short(o) + 105 * o.runs),
    unwritable_checkpoints.NAME: Scenario(unwritable_checkpoints.play, _short),
    slow_sink.NAME: Scenario(slow_sink.play, _short),
    broker_pause.NAME: Scenario(broker_pause.play, _short),
    traffic.DISORDER: Scenario(traffic.play_disorder, _short),
    traffic.HOT_MODEL: Scenario(traffic.play_hot_model, _short),
    traffic.MANY_MODELS: Scenario(traffic.play_many_models, lambda o: 2 * _short(o)),
    **{name: _soak(name) for name in soak.NAMES},
    hourly.NAME: Scenario(
        hourly.play, lambda o: 60 + hourly.make_stream(o.soak_events).n_events / 40_000
    ),
    fuzz.NAME: Scenario(fuzz.play, lambda o: o.payloads / 1_500),
}
