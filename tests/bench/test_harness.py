import socket
from pathlib import Path

import pytest

from scripts.bench.harness import NO_GOAL, Goal, Spread, in_turn, machine, page, ratios


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
