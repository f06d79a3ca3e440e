from scripts.bench.job.report import DRIFT, IDENTITY, Section, report
from scripts.bench.job.stream import Stream
from scripts.shared.throughput import Measurement

STREAM = Stream("topic", n_events=100_000, n_models=10, events_per_pane=100)


def written(*, measured_s=20.0, disagreements=()):
    rounds = {
        DRIFT: [Measurement(DRIFT, rate, 20.0, 100_000, 1_000) for rate in (900.0, 800.0, 400.0)],
        IDENTITY: [
            Measurement(IDENTITY, rate, measured_s, 100_000) for rate in (1_000.0, 1_000.0, 500.0)
        ],
    }
    return report([Section(STREAM, {IDENTITY: STREAM}, rounds, disagreements)], n_rounds=3)


def test_the_ratio_is_given_with_minimum_median_and_maximum_over_the_rounds():
    assert "| drift job / identity job | 0.80 | 0.80 | 0.90 | at least 1: **no** |" in written()


def test_the_page_says_how_far_the_age_of_a_counter_can_move_a_rate():
    # Readings are up to 0.2 s old: of 20 s that is a hundredth.
    assert "| identity job | 500 | 1,000 | 1,000 | 100,000 | 1.0% |" in written()
    assert "| drift job | 400 | 800 | 900 | 100,000 | exact |" in written()


def test_a_run_that_was_too_short_for_its_counter_is_marked():
    assert "| **4.0%** |" in written(measured_s=5.0)


def test_no_ratio_is_given_where_results_disagree():
    text = written(disagreements=["round 2: 1 alerts and scores differ from round 1"])

    assert "| drift job / identity job | – | – | – | disagrees |" in text
    assert "* round 2: 1 alerts and scores differ from round 1" in text
