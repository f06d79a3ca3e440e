"""The operator translates: rows, timers and state around the stage, as Flink has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from pyflink.common import Row

from flink_jobs.core.many_models.stage import ManyModels
from flink_jobs.core.state.model_state import LiveEntries
from flink_jobs.flink.operators import many_models
from flink_jobs.flink.operators.many_models import ManyModelsFunction
from flink_jobs.records.alerts import Alert, AlertKind, encode_record
from tests.core.many_models.raised import later, raised, storm_config
from tests.flink.fake_map import FakeContext

END_MS = (1 << 63) - 1
CONFIG = storm_config(models=3, within_ms=10_000)
THREE = [raised("a", 1_000), raised("b", 3_000), raised("c", 9_000)]
ALERTS = [*THREE, raised("d", 4_000, ["y"]), later(THREE[0], 40_000, AlertKind.RECOVERED)]


class Flink(FakeContext):
    """Stands in for the runtime: one key, its state, its timers and the watermark."""

    def __init__(self) -> None:
        super().__init__()
        self.timers_ms: set[int] = set()
        self.watermark_ms = 0

    def get_metrics_group(self) -> None: ...

    def timer_service(self) -> Flink:
        return self

    def register_event_time_timer(self, time_ms: int) -> None:
        self.timers_ms.add(time_ms)

    def current_watermark(self) -> int:
        return self.watermark_ms

    def advance(self, function: ManyModelsFunction, watermark_ms: int) -> list[Row]:
        """Fire the timers that the watermark passes, those that they ask for as well."""
        self.watermark_ms, rows = watermark_ms, list[Row]()
        while due := [each for each in self.timers_ms if each <= watermark_ms]:
            self.timers_ms.remove(min(due))
            context: Any = self
            rows += function.on_timer(min(due), context)
        return rows


class Metrics:
    def __init__(self, group: Any) -> None: ...

    def report(self, counts: Any) -> None: ...


@pytest.fixture(autouse=True)
def _without_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_models, "ManyModelsMetrics", Metrics)


def opened(flink: Flink) -> ManyModelsFunction:
    function, context = ManyModelsFunction(CONFIG), cast(Any, flink)
    function.open(context)
    return function


def give(function: ManyModelsFunction, flink: Flink, alerts: Sequence[Alert]) -> None:
    for alert in alerts:
        context: Any = flink
        assert list(function.process_element(Row(*encode_record(alert)), context)) == []


def alerts_of(rows: Sequence[Row]) -> list[Alert]:
    return [msgspec.json.decode(row[1], type=Alert) for row in rows]


def expected() -> list[Alert]:
    stage = ManyModels(CONFIG, LiveEntries())
    for alert in ALERTS:
        stage.take(alert)
    return stage.end().alerts


def test_rows_come_out_by_timers_as_the_stage_decides() -> None:
    flink = Flink()
    function = opened(flink)
    give(function, flink, ALERTS)

    assert flink.advance(function, 15_999) == []
    rows = flink.advance(function, 10**6)

    assert alerts_of(rows) == expected()
    assert [row[0] for row in rows] == [alert.model.encode() for alert in expected()]
    assert not flink.timers_ms


def test_after_a_restore_all_goes_on_from_state_and_timers() -> None:
    flink = Flink()
    function = opened(flink)
    give(function, flink, ALERTS[:2])
    rows = flink.advance(function, 7_000)

    # A new process, and a watermark that begins anew.
    function = opened(flink)
    give(function, flink, ALERTS[2:])
    rows += flink.advance(function, 12_000)
    function = opened(flink)
    rows += flink.advance(function, 10**6)

    assert alerts_of(rows) == expected()


def test_what_waits_is_decided_where_the_input_ends() -> None:
    flink = Flink()
    function = opened(flink)
    give(function, flink, ALERTS)

    assert alerts_of(flink.advance(function, END_MS)) == expected()
