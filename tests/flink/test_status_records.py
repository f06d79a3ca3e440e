"""The operator hands status records on where the job has a topic for them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from flink_jobs.core.actions import Actions
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.flink.operators.monitor import STATUSES, MonitorFunction
from flink_jobs.records.status import encode_status
from tests.builders import make_config
from tests.records.examples import make_status


class Metrics:
    def report(self, model: str, actions: Actions, n_bytes: int) -> None: ...


class State:
    n_bytes = 0


@pytest.mark.parametrize("topic", [None, "drift-status"])
def test_status_records_go_out_where_there_is_a_topic(topic: str | None) -> None:
    function: Any = MonitorFunction(make_config(kafka={"status_topic": topic}), Artefacts())
    function._metrics = Metrics()
    status = make_status()

    actions = Actions(statuses=[status])
    rows = list(function._pass_on("fraud", cast(Any, State()), actions))

    told = [(tag, tuple(row)) for tag, row in rows]
    assert told == ([] if topic is None else [(STATUSES, encode_status(status))])
