import json
from dataclasses import replace

import pytest

from scripts.bench.job.results import Results
from scripts.bench.models.measure import Reading, objections, summarise
from scripts.bench.models.stream import make_stream, n_windows

# 8 panes of each model, two of which are its reference.
STREAM = make_stream(10, 80)


def score(model, window, n_events=20):
    name = f"{model}-{window}"
    value = {
        "score_id": name,
        "model": f"model-{model}",
        "window": {"n_events": n_events},
        "reference": {"fingerprint": "f", "n_events": 40},
    }
    return name, json.dumps(value).encode()


FULL = Results(dict(score(model, window) for model in range(10) for window in range(6)), 0, {})
READINGS = [
    Reading(0.0, 0, 0.0, 0.0),
    Reading(10.0, 6, 1.0, 2.0),
    Reading(20.0, 54, 1.48, 2.96),
    Reading(90.0, 60, 9.0, 9.0),
]


def test_a_stream_has_a_window_for_each_pane_but_those_of_the_references():
    assert STREAM.n_events == 10 * 8 * 20
    assert n_windows(STREAM) == 60


def test_a_stream_of_very_many_models_still_has_eight_panes_of_each():
    assert make_stream(20_000, 60_000).n_events == 20_000 * 8 * 20


def test_rate_and_cost_are_those_between_the_first_and_the_last_tenth():
    run = summarise(STREAM, READINGS, FULL)

    assert run.n_panes == 48
    assert run.panes_per_s == pytest.approx(4.8)
    assert run.java_us == pytest.approx(10_000)
    assert run.python_us == pytest.approx(20_000)
    assert run.cost_us == pytest.approx(30_000)
    assert run.objections == []


def test_a_stream_that_is_over_between_two_readings_is_refused():
    with pytest.raises(RuntimeError, match="take more panes"):
        summarise(STREAM, [READINGS[0], READINGS[3]], FULL)


def test_a_missing_score_is_an_objection():
    name, _ = score(3, 2)
    records = {key: value for key, value in FULL.records.items() if key != name}

    (found,) = objections(STREAM, replace(FULL, records=records))

    assert "1,600 events" in found
    assert "'windows': 1180" in found


def test_a_dead_letter_is_an_objection_even_where_counts_add_up():
    records = dict(FULL.records) | dict([score(0, 0, n_events=19)])

    assert "1 dead letters" in objections(STREAM, Results(records, 1, {}))[0]
