"""The events that a report draws, read back from a history of several files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flink_jobs.reports.recorded_events import Span, window_rows
from tests.histories.examples import START_MS
from tests.intake.examples import named_config


def test_texts_of_categories_stay_what_they_are_though_each_file_numbers_them_anew(
    tmp_path: Path,
) -> None:
    plans = [["basic", "plus", ""], ["family", "basic", "plus"]]
    for number, of_file in enumerate(plans):
        rows = [
            f"{START_MS + 1_000 * (3 * number + place)},{number}{place},{plan}"
            for place, plan in enumerate(of_file)
        ]
        lines = "\n".join(["time_ms,event_id,plan", *rows])
        (tmp_path / f"{number}.csv").write_text(lines + "\n")
    plan = {"plan": {"type": "category", "may_be_missing": True}}
    config = named_config({"model_name": "m", "features": plan})

    (found,) = window_rows(str(tmp_path), config, [Span("m", START_MS, START_MS + 10_000)])

    codes = found.x[:, 0]
    texts = [None if np.isnan(code) else found.texts[0][int(code)] for code in codes]
    assert texts == ["basic", "plus", None, "family", "basic", "plus"]
