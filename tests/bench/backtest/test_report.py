from dataclasses import replace

from scripts.bench.backtest.measure import LABELS, Run
from scripts.bench.backtest.report import (
    JSON_LINES,
    LONG,
    LONGEST,
    NAMED,
    SHORT,
    Measured,
    report,
)

ALIBI = LABELS["alibi"]


def run(label, n_events, wall_s, rss_bytes=100_000_000):
    return Run(label, n_events, 10, wall_s, 2 * wall_s, rss_bytes)


def measured(**changes):
    rounds = {
        SHORT: [run(SHORT, 1_000_000, 1.0)] * 2,
        LONG: [run(LONG, 10_000_000, 8.0), run(LONG, 10_000_000, 16.0)],
        JSON_LINES: [run(JSON_LINES, 2_000_000, 5.0)] * 2,
        ALIBI: [run(ALIBI, 50_000, 1.0), run(ALIBI, 50_000, 2.0)],
    }
    return replace(Measured(rounds, {}, {"nannyml": "no such version"}), **changes)


def written(found):
    return report(found, n_processes=2, n_rounds=2)


def test_the_loop_is_compared_by_the_time_of_an_event_round_by_round():
    # 20 µs an event against 0.8 µs, then 40 against 1.6: the machine was half as fast.
    text = written(measured())

    assert f"| {ALIBI}, by the clock | 25.0 | 25.0 | 25.0 | at least 20: yes, in every" in text
    assert f"| {ALIBI}, by processor time | 25.0 | 25.0 | 25.0 |" in text


def test_no_ratio_is_given_for_a_peer_that_disagrees():
    text = written(measured(objections={ALIBI: ["D = 1, ours 2"]}))

    assert f"| {ALIBI}, by the clock | – | – | – | disagrees |" in text
    assert f"* {ALIBI}: D = 1, ours 2" in text


def test_a_peer_that_is_missing_is_named_with_the_reason():
    assert "* nannyml could not be installed: no such version" in written(measured())


def test_memory_is_compared_with_that_of_the_longest_backtest():
    longest = run(LONGEST, 50_000_000, 40.0, rss_bytes=120_000_000)

    text = written(measured(longest=longest))

    assert "From 1,000,000 to 50,000,000 events memory grows by a factor of 1.20" in text
    assert "flat, at most 1.1: **no**" in text
    assert "| long Parquet, 50,000,000 events, once |" in text


def test_named_columns_are_compared_with_the_same_number_of_floats_round_by_round():
    found = measured()
    named = [run(NAMED, 10_000_000, 10.0), run(NAMED, 10_000_000, 16.0)]

    text = written(replace(found, rounds={**found.rounds, NAMED: named}))

    assert f"| {NAMED} / {LONG} | 0.80 | 0.90 | 1.00 | at least 0.8: yes, in every round |" in text


def test_named_columns_that_gave_other_windows_are_not_compared():
    found = measured()
    named = [replace(run(NAMED, 10_000_000, 10.0), n_windows=9)] * 2

    text = written(replace(found, rounds={**found.rounds, NAMED: named}))

    assert "another number of windows" in text
    assert "| events/s, round by round" not in text


def test_the_page_says_why_named_columns_were_not_measured():
    text = written(measured(not_named="no such table"))

    assert "**Named columns were not measured: no such table**" in text
