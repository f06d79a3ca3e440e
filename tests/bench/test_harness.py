import socket
from pathlib import Path

import pytest

from scripts.bench.harness import (
    NO_GOAL,
    README,
    Goal,
    Spread,
    in_turn,
    machine,
    page,
    quote,
    ratios,
)


def test_a_machine_that_slows_down_between_rounds_changes_no_ratio():
    slower, faster = [2.0, 20.0, 4.0], [1.0, 10.0, 2.0]

    assert ratios(slower, faster) == Spread(2.0, 2.0, 2.0)


def test_ratios_of_unequal_numbers_of_rounds_are_refused():
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0, 2.0], [1.0])


def test_calls_take_turns_and_those_that_warm_up_do_not_count():
    order = []

    def call(name):
        order.append(name)
        return len(order)

    results = in_turn({"a": lambda: call("a"), "b": lambda: call("b")}, 2, n_warm_up=1)

    assert order == ["a", "b"] * 3
    assert results == {"a": [3, 5], "b": [4, 6]}


@pytest.mark.parametrize(
    ("goal", "found", "verdict"),
    [
        (Goal(at_least=3), Spread(3.0, 4.0, 5.0), "at least 3: yes, in every round"),
        (Goal(at_least=3), Spread(2.9, 3.0, 5.0), "at least 3: in the median"),
        (Goal(at_least=3), Spread(2.0, 2.9, 5.0), "at least 3: **no**"),
        (Goal(below=3), Spread(1.0, 2.0, 2.9), "below 3: yes, in every round"),
        (Goal(below=3), Spread(1.0, 2.9, 3.0), "below 3: in the median"),
        (Goal(below=3), Spread(1.0, 3.0, 4.0), "below 3: **no**"),
        (Goal(at_most=3), Spread(1.0, 2.0, 3.0), "at most 3: yes, in every round"),
        (Goal(at_most=3), Spread(1.0, 3.0, 3.1), "at most 3: in the median"),
        (Goal(at_most=3), Spread(1.0, 3.1, 4.0), "at most 3: **no**"),
        (
            Goal(at_least=1_000_000),
            Spread(1e6, 1e6, 1e6),
            "at least 1,000,000: yes, in every round",
        ),
        (NO_GOAL, Spread(1.0, 2.0, 3.0), ""),
    ],
)
def test_a_goal_says_whether_every_round_or_the_median_alone_reaches_it(goal, found, verdict):
    assert goal.verdict(found) == verdict


def test_the_machine_is_described_without_the_names_of_host_and_folders():
    text = machine(["numpy"])

    assert "cores" in text
    assert "GiB of memory" in text
    assert "numpy 2." in text
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert "/" not in text


def test_a_page_says_how_to_repeat_it_and_that_its_ratios_are_those_of_one_machine():
    text = page("Title", "make bench-x", 5, [], ["## Part\n"])

    assert text.startswith("# Title\n\nWritten by `make bench-x` on 20")
    assert "in 5 rounds" in text
    assert "Ratios depend on the machine" in text
    assert text.endswith("\n## Part\n")


def test_the_readme_quotes_the_median_with_its_range_machine_and_command(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- begin x -->\nold\n<!-- end x -->\nafter\n")

    quote("x", [("a against b", Spread(0.5, 2.0, 30.0))], ["numpy"], readme)

    text = readme.read_text()
    assert text.startswith("before\n<!-- begin x -->\n| times as fast | median | range |\n")
    assert "\n| a against b | 2.00 | 0.50 to 30 |\n" in text
    assert "By `make x` on 20" in text
    assert text.endswith("\n<!-- end x -->\nafter\n")
    assert "old" not in text


def test_a_readme_without_a_place_for_figures_stays_as_it_is(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- begin x -->\nno end\n")

    with pytest.raises(ValueError, match="lacks"):
        quote("x", [("a against b", Spread(0.5, 2.0, 30.0))], ["numpy"], readme)

    assert readme.read_text() == "<!-- begin x -->\nno end\n"


@pytest.mark.parametrize("target", ["bench-job", "bench-detectors", "bench-backtest"])
def test_the_readme_has_a_place_for_the_figures_of_each_benchmark(target, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(README.read_text())

    quote(target, [("a against b", Spread(0.5, 2.0, 30.0))], ["numpy"], readme)

    assert "| a against b | 2.00 | 0.50 to 30 |" in readme.read_text()
