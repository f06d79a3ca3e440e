"""The closing table of the demonstration on narrow terminals."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from flink_jobs.demo.screen import summary_table
from tests.demo.conftest import Run


def printed(run: Run, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(summary_table(run.outcomes))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_word_of_the_closing_table_is_broken(offline_run: Run, width: int) -> None:
    lines = printed(offline_run, width)
    words = {word for line in lines for word in line.split()}

    whole = [
        f"{outcome.model} {outcome.truth} {outcome.verdict}" for outcome in offline_run.outcomes
    ]
    headers = "model truth inputs outputs delay, events verdict"
    assert words >= {word for text in [headers, *whole] for word in text.split()}
    assert {"00:32", "2,400"} <= words
    assert all(len(line) <= width for line in lines)


def test_each_model_has_one_line_on_80_columns(offline_run: Run) -> None:
    _title, _header, _rule, *rows, counts = printed(offline_run, 80)

    assert [row.split()[0] for row in rows] == [outcome.model for outcome in offline_run.outcomes]
    assert counts.strip() == "Windows tested: 168. Dead letters: 0."
