from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.run_times import __main__ as command
from scripts.run_times.kept import Kept


@dataclass(frozen=True)
class Doubling:
    number: int


class InterruptedError(Exception):
    pass


def twice(task: Doubling) -> int:
    return 2 * task.number


def test_an_interrupted_measurement_goes_on_where_it_stopped(tmp_path: Path) -> None:
    done: list[int] = []

    def stopping_at_three(task: Doubling) -> int:
        if task.number == 3:
            raise InterruptedError
        done.append(task.number)
        return twice(task)

    def going_on(task: Doubling) -> int:
        done.append(task.number)
        return twice(task)

    tasks = [Doubling(number) for number in range(5)]
    with pytest.raises(InterruptedError):
        Kept("numbers", "first", tmp_path).find(tasks, stopping_at_three, 1)
    later = Kept("numbers", "second", tmp_path)
    later.find(tasks, going_on, 1)

    assert done == [0, 1, 2, 3, 4]
    assert [later.answer(task) for task in tasks] == [0, 2, 4, 6, 8]
    assert [record["command"] for record in later.records] == ["first"] * 3 + ["second"] * 2


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    tasks = [Doubling(number) for number in range(6)]
    kept = Kept("numbers", "both", tmp_path)

    kept.find(tasks, twice, 2)

    assert [Kept("numbers", "read", tmp_path).answer(task) for task in tasks] == [0, 2, 4, 6, 8, 10]


def test_what_is_forgotten_is_asked_again(tmp_path: Path) -> None:
    kept = Kept("numbers", "first", tmp_path)
    kept.find([Doubling(1)], twice, 1)

    kept.forget()

    assert kept.answer(Doubling(1)) is None
    assert Kept("numbers", "second", tmp_path).records == []


def test_what_other_processes_do_lies_where_they_find_it() -> None:
    # A process that is started anew does not import a __main__.
    works = [vars(command)[name] for name in ("count", "passed")]
    assert all(work.__module__ != command.__name__ for work in works)
