from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.histories.known_drifts.truth import NO_END_MS, DriftInterval
from flink_jobs.records.alerts import (
    Alert,
    AlertKind,
    Cause,
    Exemplar,
    Score,
    ScoreStatus,
    SegmentMove,
    ThresholdSummary,
)
from flink_jobs.records.dead_letters import Reason
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.result import (
    ALERTS_FILE,
    DEAD_LETTERS_FILE,
    SCORES_FILE,
    BacktestResult,
    BacktestSummary,
    PlacedDeadLetter,
    write_config,
    write_summary,
)
from flink_jobs.reports.charts.calibration import calibrations
from flink_jobs.reports.charts.classes import class_mix, resampled_range
from flink_jobs.reports.charts.distributions import histogram
from flink_jobs.reports.charts.quality import quality
from flink_jobs.reports.charts.thinning import thin
from flink_jobs.reports.charts.timeline import outline, timeline
from flink_jobs.reports.streams import StreamView, read_streams
from flink_jobs.reports.write import gather, write_html
from tests.builders import make_config
from tests.histories.examples import backtest_config, columns, make_events, to_table
from tests.records.examples import make_alert, make_score

HOSTILE = "<script>window.hacked = true</script>"
START_MS = 1_767_225_600_000
MINUTE_MS = 60_000


def score(minute: int, statistic: float | None = 0.05, **others: Any) -> Score:
    """A window of ten minutes that ends so many minutes after the start."""
    end_ms = START_MS + minute * MINUTE_MS
    window = msgspec.structs.replace(
        make_score().window, start_ms=end_ms - 10 * MINUTE_MS, end_ms=end_ms, closed_ms=end_ms
    )
    values = {"model": "m", "statistic": statistic, "p_value": 0.5, "is_drift": False} | others
    return msgspec.structs.replace(make_score(), window=window, **values)


def alert(minute: int, kind: AlertKind = AlertKind.STARTED, **others: Any) -> Alert:
    window = score(minute).window
    values = {"model": "m", "kind": kind, "incident_id": "1"} | others
    return msgspec.structs.replace(make_alert(), window=window, **values)


def untested(minute: int) -> Score:
    return score(
        minute,
        status=ScoreStatus.TOO_FEW_EVENTS,
        statistic=None,
        p_value=None,
        threshold=None,
        is_drift=None,
    )


def stream(*scores: Score, alerts: tuple[Alert, ...] = ()) -> StreamView:
    return read_streams(scores, alerts)[0]


def write_result(
    folder: Path,
    scores: list[Score],
    alerts: Sequence[Alert] = (),
    letters: Sequence[PlacedDeadLetter] = (),
    **summary: Any,
) -> BacktestResult:
    folder.mkdir(exist_ok=True)
    for name, records in (
        (SCORES_FILE, scores),
        (ALERTS_FILE, alerts),
        (DEAD_LETTERS_FILE, letters),
    ):
        lines = [msgspec.json.encode(record) + b"\n" for record in records]
        (folder / name).write_bytes(b"".join(lines))
    write_config(folder, make_config())
    facts: dict[str, Any] = {
        "source": "history.parquet",
        "start_ms": START_MS,
        "end_ms": START_MS + 240 * MINUTE_MS,
        "n_events": 1_000,
        "n_by_model": {each.model: 10 for each in scores},
    }
    write_summary(folder, BacktestSummary(**facts | summary))
    return BacktestResult.open(folder)


def page_of(result: BacktestResult, tmp_path: Path, **options: Any) -> str:
    path = tmp_path / "report.html"
    write_html(gather(result, **options), path)
    return path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects start tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_what_comes_from_data_never_becomes_markup(tmp_path):
    letter = PlacedDeadLetter(
        reason=Reason.UNDECODABLE,
        detail=HOSTILE,
        model=HOSTILE,
        partition=0,
        offset=3,
        event_time_ms=START_MS,
        payload=HOSTILE.encode(),
        payload_bytes=len(HOSTILE),
        where=f"{HOSTILE}:4",
    )
    exemplar = Exemplar(event_id=HOSTILE, partition=0, offset=1, score=1.0)
    result = write_result(
        tmp_path / "result",
        [score(10, model=HOSTILE)],
        [alert(10, model=HOSTILE, exemplars=[exemplar])],
        [letter],
        source=HOSTILE,
        warnings=[HOSTILE],
        notices=[HOSTILE],
        dead_letters={"undecodable": 1},
    )
    truth = [DriftInterval("*", START_MS, NO_END_MS, HOSTILE)]

    reader = Reader(page_of(result, tmp_path, truth=truth))

    # The charts' data, plotly, and two of our own.
    assert len(reader.named("script")) == 4
    # Wherever the text is shown it is shown as text: as model, event, reason, place and truth.
    assert reader.text.count(HOSTILE) >= 10


def test_a_drift_of_hostile_name_is_plain_text_to_plotly():
    view = stream(score(10), score(20))
    drift = DriftInterval("m", START_MS, NO_END_MS, '<a href="https://example.org">x</a>')

    chart = timeline(view, [drift], (START_MS, START_MS + 20 * MINUTE_MS), n_columns=100)

    assert [note.text for note in chart.layout.annotations if "example" in note.text] == [
        "&lt;a href=&quot;https://example.org&quot;&gt;x&lt;/a&gt;"
    ]


def test_only_the_scripts_of_the_page_may_run_and_nothing_may_be_fetched(tmp_path):
    page = page_of(write_result(tmp_path / "result", [score(10)]), tmp_path)
    (policy,) = [
        each["content"]
        for each in Reader(page).named("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]

    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]


def test_the_verdict_says_what_was_found_missed_and_false(tmp_path):
    scores = [score(minute) for minute in range(10, 240, 10)]
    alerts = [
        alert(50),
        alert(60, AlertKind.RECOVERED),
        alert(150, incident_id="2"),
        alert(160, AlertKind.RECOVERED, incident_id="2"),
    ]
    result = write_result(tmp_path / "result", scores, alerts)
    truth = [
        DriftInterval("m", START_MS + 40 * MINUTE_MS, START_MS + 70 * MINUTE_MS, "first"),
        DriftInterval("m", START_MS + 200 * MINUTE_MS, START_MS + 220 * MINUTE_MS, "second"),
    ]

    text = Reader(page_of(result, tmp_path, truth=truth)).text

    assert "1 of 2 true drifts found, 1 false alarm" in text
    assert "first from 2026-01-01 00:40 UTC found after 10 min (1 window)" in text
    assert "second from 2026-01-01 03:20 UTC missed" in text
    # Trivial baselines stand next to it.
    for dummy in ("an alarm every n windows", "always alarm", "never alarm"):
        assert dummy in text


def test_truth_without_a_drift_of_these_models_is_nothing_to_find(tmp_path):
    result = write_result(tmp_path / "result", [score(10), score(20)], [alert(20)])

    text = Reader(page_of(result, tmp_path, truth=[])).text

    assert "No true drift to find, 1 false alarm" in text


def test_a_model_that_fell_silent_is_not_praised_as_silent(tmp_path):
    silence = alert(20, cause=Cause.SILENCE, statistic=None)
    result = write_result(tmp_path / "result", [score(10), score(20)], [silence])

    reader = Reader(page_of(result, tmp_path, truth=[]))

    assert "✔ no alarm" in reader.text
    assert "✔ silent" not in reader.text


def test_models_whose_drift_was_missed_are_shown_first_not_collapsed(tmp_path):
    scores = [score(10, model=f"model-{place:02}") for place in range(20)]
    alerts = [alert(10, model="model-03"), alert(10, model="model-16")]
    result = write_result(tmp_path / "result", scores, alerts)
    drifts = [DriftInterval(f"model-{n}", START_MS, START_MS + 10**7) for n in ("03", "13", "16")]

    page = page_of(result, tmp_path, truth=drifts)
    before, _, _ = page.partition('<details class="rest"')

    assert re.findall(r'<article class="model" id="m(\d+)"', before) == ["13", "3", "16"]


def test_without_truth_the_verdict_counts_alerts_and_says_that_nothing_is_known(tmp_path):
    result = write_result(tmp_path / "result", [score(10), score(20, model="n")], [alert(10)])

    text = Reader(page_of(result, tmp_path)).text

    assert "1 incident of drift in 1 of 2 models" in text
    assert "No ground truth was given" in text


def test_a_result_without_any_window_makes_a_page(tmp_path):
    result = write_result(tmp_path / "result", [], n_by_model={})

    text = Reader(page_of(result, tmp_path)).text

    assert "No window was closed and no alert was written." in text


def test_every_chart_has_a_name_for_those_who_cannot_see_it(tmp_path):
    result = write_result(tmp_path / "result", [score(10), score(20)], [alert(20)])

    reader = Reader(page_of(result, tmp_path))
    charts = [each for each in reader.named("div") if "data-chart" in each]

    assert len(charts) >= 3
    assert all(each.get("aria-label") for each in charts)
    assert len(reader.named("table")) >= len(charts)


def test_without_ground_truth_drift_breaks_no_promise(tmp_path):
    scores = [score(10 * n, p_value=1e-9, is_drift=True) for n in range(1, 9)]
    page = page_of(write_result(tmp_path / "result", scores), tmp_path)

    assert "drift, or false alarms" in page
    assert "more than the level promises" not in page


def test_headings_skip_no_level(tmp_path):
    result = write_result(tmp_path / "result", [score(10), score(20)], [alert(20)])

    levels = [
        int(tag[1])
        for tag, _ in Reader(page_of(result, tmp_path)).tags
        if re.fullmatch("h[1-6]", tag)
    ]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_many_models_are_collapsed_those_with_alerts_first(tmp_path):
    scores = [score(10, model=f"model-{place:02}") for place in range(20)]
    result = write_result(tmp_path / "result", scores, [alert(10, model="model-13")])

    page = page_of(result, tmp_path)
    before, _, collapsed = page.partition('<details class="rest"')

    assert re.findall(r'<article class="model" id="m(\d+)"', before) == ["13"]
    assert len(re.findall(r'<article class="model"', collapsed)) == 19


def test_a_long_run_stays_small_and_keeps_its_peak(tmp_path):
    n, peak = 20_000, 12_345
    scores = [score(minute, 0.9 if minute == peak else 0.05) for minute in range(n)]

    chart = timeline(stream(*scores), [], (START_MS, START_MS + n * MINUTE_MS), n_columns=300)
    rows = outline(stream(*scores))

    assert len(chart.to_json()) < 130_000
    assert len(rows) == 60
    assert [row[5] for row in rows].count("0.9") == 1


def test_the_line_is_interrupted_where_windows_were_not_tested():
    view = stream(*(score(minute) for minute in (10, 20)), untested(30), score(40))

    chart = timeline(view, [], (START_MS, START_MS + 40 * MINUTE_MS), n_columns=100)
    statistic = next(trace for trace in chart.data if trace.mode == "lines+markers")

    assert np.isnan(statistic.y).tolist() == [False, False, True, False]


def test_silence_is_shaded_until_events_come_again():
    silence: dict[str, Any] = {"cause": Cause.SILENCE, "statistic": None, "incident_id": "s"}
    view = stream(
        score(10),
        score(90),
        alerts=(alert(60, **silence), alert(80, AlertKind.RECOVERED, **silence)),
    )

    chart = timeline(view, [], (START_MS, START_MS + 90 * MINUTE_MS), n_columns=100)
    (note,) = [each for each in chart.layout.annotations if each.text == "silent"]

    assert note.hovertext == "silent: 2026-01-01 01:10 to 2026-01-01 01:20"


def test_an_incident_is_shaded_until_it_recovers_and_an_open_one_to_the_end():
    view = stream(
        *(score(minute) for minute in range(10, 100, 10)),
        alerts=(
            alert(20, incident_id="1"),
            alert(30, AlertKind.ONGOING, incident_id="1"),
            alert(40, AlertKind.RECOVERED, incident_id="1"),
            alert(70, incident_id="2"),
        ),
    )

    chart = timeline(view, [], (START_MS, START_MS + 90 * MINUTE_MS), n_columns=100)
    colours = {"rgba(213,94,0,0.12)"}
    shaded = [(each.x0, each.x1) for each in chart.layout.shapes if each.fillcolor in colours]

    minutes = [[(end - START_MS) / MINUTE_MS for end in each] for each in shaded]
    assert minutes[0] == [20, 40]
    assert minutes[1][0] == 70
    assert minutes[1][1] >= 90


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=300),
    st.integers(min_value=1, max_value=40),
)
def test_thinning_keeps_both_ends_and_every_extreme(values, n_columns):
    kept = thin(range(len(values)), values, n_columns=n_columns)

    assert {0, len(values) - 1} <= set(kept.tolist())
    assert (min(values), max(values)) == (min(np.array(values)[kept]), max(np.array(values)[kept]))
    assert len(kept) <= max(2 * n_columns, 3 * n_columns + 1)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), min_size=1, max_size=50))
def test_shares_of_a_histogram_are_those_of_the_values_that_are_there(values):
    z = np.array(values, dtype=np.float64)

    drawn = histogram(z, z, is_probability=False)

    present = np.isfinite(z).mean()
    np.testing.assert_allclose([drawn.reference.sum(), drawn.window.sum()], present, atol=1e-12)


def test_calibration_counts_windows_outside_true_drifts_that_share_no_event():
    # Windows of ten minutes, one every two: four of five overlap one before.
    scores = [score(minute, p_value=0.2) for minute in range(10, 210, 2)]
    scores[60] = score(130, p_value=1e-9, is_drift=True)
    drift = DriftInterval("m", START_MS + 100 * MINUTE_MS, START_MS + 160 * MINUTE_MS)

    (inside,) = calibrations([stream(*scores)], [])
    (outside,) = calibrations([stream(*scores)], [drift])

    assert (inside.n_windows, inside.n_apart, inside.n_drifting) == (100, 20, 1)
    assert outside.n_windows == 100 - len(range(102, 170, 2))
    assert outside.n_drifting == 0
    assert outside.low == 0.0 < outside.high < 0.4


def test_levels_that_differ_from_window_to_window_are_judged_together():
    # A level that follows from a run time depends on how many events a window has.
    levels = [0.001, 0.002, 0.002, 0.003]
    windows = [
        score(10 * n, p_value=0.2, threshold=ThresholdSummary(p_value=level, statistic=0.1))
        for n, level in enumerate(levels, start=1)
    ]

    (found,) = calibrations([stream(*windows)], [])

    assert (found.n_windows, found.level) == (4, 0.002)
    assert found.level_text == "levels 0.001 to 0.003"
    assert found.fits


def test_label_shift_is_estimated_from_outputs_alone():
    rng = np.random.default_rng(0)
    reference = calibrated(rng.choice(3, size=3_000, p=[0.6, 0.3, 0.1]), rng)
    window = calibrated(rng.choice(3, size=1_500, p=[0.1, 0.3, 0.6]), rng)

    # Another seed: the draws of the labels must not be those of the sample.
    mix = class_mix(reference, window, seed=1)

    assert mix.shift is not None
    np.testing.assert_allclose(mix.shift.class_shares, [0.1, 0.3, 0.6], atol=0.04)


def test_ranges_of_the_class_mix_are_not_called_confidence_intervals():
    rng = np.random.default_rng(0)
    true = np.array([0.1, 0.3, 0.6])
    sharpened = [
        outputs**6 / (outputs**6).sum(axis=1, keepdims=True)
        for outputs in (
            calibrated(rng.choice(3, size=4_000, p=[0.6, 0.3, 0.1]), rng),
            calibrated(rng.choice(3, size=4_000, p=true), rng),
        )
    ]

    mix = class_mix(*sharpened, seed=1)

    # The outputs are overconfident: the ranges miss true shares, which they do not promise.
    low, high = resampled_range(mix)
    assert ((true < low) | (true > high)).any()
    assert "calibrated" in mix.note
    assert "not confidence intervals" in mix.note


def calibrated(labels: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Posteriors given a measurement whose mean is the label, for priors of 0.6, 0.3 and 0.1."""
    x = labels + rng.normal(scale=0.4, size=len(labels))
    density = np.exp(-((x[:, np.newaxis] - np.arange(3)) ** 2) / 0.32) * [0.6, 0.3, 0.1]
    return np.asarray(density / density.sum(axis=1, keepdims=True))


def test_untested_windows_and_dead_letters_are_counted_over_time():
    letter = PlacedDeadLetter(
        reason=Reason.LATE,
        detail="late",
        model="m",
        partition=0,
        offset=0,
        event_time_ms=START_MS + 100 * MINUTE_MS,
        where="a:1",
    )
    view = stream(*(score(minute) for minute in range(10, 100, 10)), untested(100))

    seen = quality([view], [letter], (START_MS, START_MS + 110 * MINUTE_MS))

    totals = {strip.name: strip.total for strip in seen.some}
    assert totals == {"windows tested": 9, "windows with too few events": 1, "late events": 1}


def test_images_that_evidence_does_not_hold_are_missed_with_a_reason(tmp_path):
    config = backtest_config(columns=columns())
    history = tmp_path / "history.parquet"
    pq.write_table(to_table(make_events(("m",))), history)
    result = run_backtest(config, history, folder=tmp_path / "result", processes=1)

    views = gather(result, image_shape=(8, 8)).incidents.values()

    assert len(views) > 0
    assert all("evidence holds no images of 8 x 8 numbers" in view.note for view in views)
    assert all(view.is_whole and not view.means for view in views)


def test_a_stream_says_from_which_statistic_a_window_drifts(tmp_path):
    result = write_result(tmp_path / "result", [score(10)])

    text = Reader(page_of(result, tmp_path)).text

    threshold = score(10).threshold
    assert threshold is not None
    assert threshold.statistic is not None
    assert (
        f"the last one drifts from {threshold.statistic:.3g} on (p {threshold.p_value:.2g})" in text
    )
    assert "without a drift" not in text


def test_a_promised_run_time_is_told_for_the_detector_that_promises_it(tmp_path):
    result = write_result(tmp_path / "result", [score(10)])
    calibration = {"kind": "expected_run_time", "windows": 500}
    policy = {"windows_to_start": 2, "windows_to_recover": 3}
    write_config(tmp_path / "result", make_config(calibration=calibration, policy=policy))

    text = Reader(page_of(BacktestResult.open(result.folder), tmp_path)).text

    assert "without a drift an alarm in 500 windows or more (confidence 0.9)" in text


def test_an_incident_says_in_which_segment_alone_a_column_moved(tmp_path: Path) -> None:
    hostile = SegmentMove(
        segment="<b>region", category="<script>", column="plan", statistic=0.81, p_value=1e-90,
        elsewhere=0.02, n_ref=502, n_test=497,
    )  # fmt: skip
    result = write_result(tmp_path / "result", [score(0), score(1)], [alert(1, segments=[hostile])])

    page = page_of(result, tmp_path)

    assert "only where `&lt;b&gt;region` is &lt;script&gt;: `plan` (0.81 there" in page
    assert "<b>region" not in page
