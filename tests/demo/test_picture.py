from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from flink_jobs.demo.outcome import Reported, judge_models
from flink_jobs.demo.pictures.contents import Picture, prepare
from flink_jobs.demo.pictures.html import write_html
from flink_jobs.demo.pictures.png import write_png
from flink_jobs.records.alerts import AlertKind
from tests.demo.conftest import Run


@pytest.fixture(scope="module")
def picture(offline_run: Run) -> Picture:
    return prepare(offline_run.outcomes, offline_run.reported)


class References(HTMLParser):
    """Gathers everything that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {value}" for name, value in attrs if name in ("src", "href")]


def test_a_panel_holds_every_window_with_its_threshold(picture: Picture) -> None:
    for panel in picture.panels:
        assert [line.view for line in panel.lines] == ["inputs", "outputs"]
        for line in panel.lines:
            assert len(line.times) == len(line.statistics) == len(line.thresholds) == 21
            assert line.times == sorted(line.times)


def test_the_moment_of_drift_is_marked_where_there_is_one(picture: Picture) -> None:
    moments = [panel.drift_time and f"{panel.drift_time:%H:%M}" for panel in picture.panels]

    assert moments == [None, "00:30", "00:30", "00:10"]


def test_marks_show_where_incidents_start_and_end(picture: Picture) -> None:
    kinds = [
        [[mark.kind for mark in line.marks] for line in panel.lines] for panel in picture.panels
    ]

    started, recovered = AlertKind.STARTED, AlertKind.RECOVERED
    assert kinds[0] == [[], []]
    assert kinds[1] == kinds[2] == [[started], [started]]
    assert kinds[3] == [[started, recovered] * 2 + [started], [started, recovered]]


def test_marks_of_one_moment_bear_one_word(picture: Picture) -> None:
    for panel in picture.panels[1:3]:
        of_inputs, of_outputs = (line.marks[0] for line in panel.lines)
        assert of_inputs.time == of_outputs.time
        highest = max(of_inputs, of_outputs, key=lambda mark: mark.statistic)
        assert panel.labelled == [highest]


def test_the_title_says_what_is_to_be_seen(picture: Picture) -> None:
    expected = "All 3 drifts were found, and the model without drift stayed silent"

    assert picture.title == expected


def test_the_title_does_not_gloss_over_what_went_wrong(offline_run: Run) -> None:
    nothing = Reported([], offline_run.reported.scores, [])

    picture = prepare(judge_models(offline_run.streams, nothing), nothing)

    assert picture.title == "0 of 3 drifts were found, with 0 false alarms"


def test_the_title_says_when_nothing_was_tested(offline_run: Run) -> None:
    nothing = Reported([], [], [])

    picture = prepare(judge_models(offline_run.streams, nothing), nothing)

    assert picture.title.endswith("with 0 false alarms; 4 of 4 models were not tested")


def test_the_png_is_an_image_with_something_on_it(picture: Picture, tmp_path: Path) -> None:
    write_png(picture, tmp_path / "drift.png")

    pixels = matplotlib.image.imread(tmp_path / "drift.png")
    height, width, _ = pixels.shape
    assert width > 1_500
    assert height > 1_000
    # Rows of a table would take seconds to sort.
    colours = np.rint(pixels[..., :3] * 255).astype(np.int64) @ [1 << 16, 1 << 8, 1]
    assert len(np.unique(colours)) > 100


def test_the_html_shows_all_panels_and_loads_nothing(picture: Picture, tmp_path: Path) -> None:
    write_html(picture, tmp_path / "drift.html")

    text = (tmp_path / "drift.html").read_text()
    references = References()
    references.feed(text)
    assert references.found == []
    for panel in picture.panels:
        assert panel.heading in text


def test_a_run_without_any_result_can_still_be_drawn(offline_run: Run, tmp_path: Path) -> None:
    nothing = Reported([], [], [])
    picture = prepare(judge_models(offline_run.streams, nothing), nothing)

    write_png(picture, tmp_path / "drift.png")
    write_html(picture, tmp_path / "drift.html")

    assert {path.name for path in tmp_path.iterdir()} == {"drift.png", "drift.html"}
