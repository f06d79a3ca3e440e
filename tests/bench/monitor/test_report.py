from scripts.bench.monitor.measure import DAILY, FAST, LONG, SHORT, SLOW, Measured, objections
from scripts.bench.monitor.of_checkout import Cost, Size
from scripts.bench.monitor.report import report, summary_bytes


def costs(*microseconds, digest="d", objection=""):
    return [Cost(each, 10, digest, objection) for each in microseconds]


def of_this(**changes):
    found = {SHORT: costs(2.0, 4.0), LONG: costs(3.0, 5.0), DAILY: costs(2.0, 6.4)}
    return {("this", windows): found[windows] for windows in found} | changes


def of_both():
    other = {SHORT: costs(4.0, 4.0), LONG: costs(200.0, 100.0), DAILY: costs(60.0, 64.0)}
    return of_this() | {("other", windows): other[windows] for windows in other}


def written(found, *, has_other=False):
    return report(found, 2, has_other=has_other)


def test_long_windows_are_compared_with_short_ones_round_by_round():
    text = written(Measured(of_this()))

    assert f"| {LONG} / {SHORT} | 1.25 | 1.38 | 1.50 | at most 1.5: yes, in every round |" in text
    assert f"| {DAILY} / {SHORT} | 1.00 | 1.30 | 1.60 | at most 1.5: in the median |" in text
    assert "other version" not in text


def test_another_version_is_compared_with_this_one_and_has_no_goal_itself():
    text = written(Measured(of_both()), has_other=True)

    assert f"| {SHORT}, this / other version | 0.500 | 0.750 | 1.000 | at most 1: yes" in text
    assert f"| {LONG} / {SHORT}, other version | 25.00 | 37.50 | 50.00 |  |" in text


def test_no_ratio_is_given_where_results_disagree():
    text = written(Measured(of_this(), objections=["6 panes by 1: the scores differ"]))

    assert "| ratio |" not in text
    assert "* 6 panes by 1: the scores differ" in text


def test_scores_that_differ_between_checkouts_are_an_objection():
    found = {("this", SHORT): costs(1.0), ("other", SHORT): costs(1.0, digest="e")}

    assert objections(of_both()) == []
    assert objections(found)[0].startswith(f"{SHORT}: the scores differ")


def test_a_wrong_statistic_is_an_objection():
    found = {("this", SHORT): costs(1.0, objection="D = 1; SciPy: D = 2")}

    assert objections(found) == [f"this, {SHORT}: D = 1; SciPy: D = 2"]


def test_state_is_compared_between_rates_and_with_its_bounds():
    sizes = {
        SLOW: Size(26.0, True, 5_000_000, 44_000.0, 90_000),
        FAST: Size(26.0, True, 6_500_000, 170_000.0, 190_000),
    }

    text = written(Measured(of_this(), sizes))

    assert "is 1.30 times that at 100: at most 1.2: **no**." in text
    assert "at most 6,500,000 bytes; below 8,000,000: yes." in text
    assert (
        "a pane writes 44,000 bytes; at most 44,000, twice its own summary and 4,000: yes" in text
    )
    assert "a pane writes 170,000 bytes; at most 164,160" in text


def test_a_state_that_passed_the_limit_reaches_no_goal():
    sizes = {rate: Size(0.5, False, 24_000_000, 1e7, 24_000_000) for rate in (SLOW, FAST)}

    text = written(Measured(of_this(), sizes))

    assert "more than 24,000,000" in text
    assert "**no** goal is reached" in text


def test_a_pane_of_few_events_is_summarised_by_them_and_one_of_many_by_cells():
    # 2 bytes for each of 1,000 events in 10 columns; 4 for each of 2,002 cells in 10 columns.
    assert summary_bytes(SLOW) == 20_000
    assert summary_bytes(FAST) == 80_080
