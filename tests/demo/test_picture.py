"""The page of the demonstration, from the records of a real monitor."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from plotly.graph_objects import Figure

from flink_jobs.demo.outcome import Reported, judge_models
from flink_jobs.demo.picture import panel_figure, title, write_html
from flink_jobs.reports.charts import figures, palette
from flink_jobs.reports.streams import read_streams
from flink_jobs.reports.words import clock
from tests.demo.conftest import Run

ALERT, RECOVERED = (
    palette.Symbol("alert started", "triangle-up", "▲", palette.DRIFT_COLOUR),
    palette.Symbol("recovered", "triangle-down", "▼", palette.RECOVERED_COLOUR),
)


@pytest.fixture(scope="module")
def panels(offline_run: Run) -> list[Figure]:
    """One for each model, checked by plotly."""
    streams = read_streams(offline_run.reported.scores, offline_run.reported.alerts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "are_checked", True)
        return [
            panel_figure(outcome, [view for view in streams if view.model == outcome.model])
            for outcome in offline_run.outcomes
        ]


class References(HTMLParser):
    """Gathers everything that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {value}" for name, value in attrs if name in ("src", "href")]


def marks(panel: Figure, symbol: palette.Symbol) -> int:
    drawn = (trace for trace in panel.data if trace.marker.symbol == symbol.plotly)
    return sum(len(trace.x) for trace in drawn)


def test_a_panel_holds_every_window_of_both_views_with_its_threshold(panels: list[Figure]) -> None:
    for panel in panels:
        lines = [trace for trace in panel.data if "lines" in trace.mode]
        assert len(lines) == 4
        for line in lines:
            assert len(line.x) == len(line.y) == 21
            assert (np.diff(line.x) > 0).all()


def test_views_differ_in_shape_and_not_in_colour_alone(panels: list[Figure]) -> None:
    symbols = {trace.marker.symbol for trace in panels[0].data if trace.mode == "lines+markers"}

    assert symbols == {"circle", "diamond"}


def test_the_moment_of_drift_is_marked_where_there_is_one(panels: list[Figure]) -> None:
    moments = [[clock(shape.x0)[-5:] for shape in panel.layout.shapes[1:]] for panel in panels]

    assert moments == [[], ["00:30"], ["00:30"], ["00:10"]]


def test_marks_show_where_incidents_start_and_end(panels: list[Figure]) -> None:
    assert [marks(panel, ALERT) for panel in panels] == [0, 2, 2, 4]
    assert [marks(panel, RECOVERED) for panel in panels] == [0, 0, 0, 3]


def test_the_title_says_what_is_to_be_seen(offline_run: Run) -> None:
    expected = "All 3 drifts were found, and the model without drift stayed silent"

    assert title(offline_run.outcomes) == expected


def test_the_title_does_not_gloss_over_what_went_wrong(offline_run: Run) -> None:
    nothing = Reported([], offline_run.reported.scores, [])

    said = title(judge_models(offline_run.streams, nothing))

    assert said == "0 of 3 drifts were found, with 0 false alarms"


def test_the_title_says_when_nothing_was_tested(offline_run: Run) -> None:
    nothing = Reported([], [], [])

    said = title(judge_models(offline_run.streams, nothing))

    assert said.endswith("with 0 false alarms; 4 of 4 models were not tested")


def test_the_page_shows_all_panels_with_their_numbers_and_loads_nothing(
    offline_run: Run, tmp_path: Path
) -> None:
    write_html(offline_run.outcomes, offline_run.reported, tmp_path / "drift.html")

    text = (tmp_path / "drift.html").read_text()
    references = References()
    references.feed(text)
    assert references.found == ["link data:,"]
    assert text.count('<div class="chart timeline"') == 4
    assert text.count('<tr><th scope="row">') == 4 * 21
    for outcome in offline_run.outcomes:
        assert f"{outcome.model}: {outcome.truth}" in text


def test_a_run_without_any_result_can_still_be_drawn(offline_run: Run, tmp_path: Path) -> None:
    nothing = Reported([], [], [])

    write_html(judge_models(offline_run.streams, nothing), nothing, tmp_path / "drift.html")

    assert "4 of 4 models were not tested" in (tmp_path / "drift.html").read_text()
