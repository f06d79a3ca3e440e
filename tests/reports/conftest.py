"""Every figure that is made here is checked by plotly, property by property."""

from __future__ import annotations

import pytest

from flink_jobs.reports.charts import figures


@pytest.fixture(autouse=True)
def checked_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "are_checked", True)
