"""What a sandbox changes of a configuration changes no result."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.columns import columns_of
from flink_jobs.config.digests import config_version
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.config.locations import locations_of
from flink_jobs.config.own_events import as_own_events
from flink_jobs.config.tables.evidence import EvidenceTable
from flink_jobs.core.monitor import DriftMonitor
from flink_jobs.core.state.model_state import InMemoryEntries
from flink_jobs.intake.panes import Pane
from flink_jobs.records.alerts import Score
from flink_jobs.sandbox.job import closing_time_ms, sandbox_config
from tests.builders import WIDTH_MS, Replay, make_config, make_panes

PLACED = """
version = 1
[kafka]
bootstrap_servers = "kafka.example:9093"
start = "latest"
bounded = true
properties = {"security.protocol" = "SSL"}
[job]
parallelism = 8
delivery = "exactly_once"
[input]
format = "json"
[columns]
model = "meta.model"
time = "meta.at"
time_unit = "s"
features_at = "request"
features = {tenure = "number", plan = {type = "category", path = "request.contract.plan"}}
outputs = {p = {kind = "probability", path = "response.p"}}
segments = {region = "request.region"}
[panes]
width_ms = 1000
[window]
kind = "time"
size_ms = 3000
slide_ms = 1000
[reference]
kind = "first_events"
n_events = 30
[[views]]
name = "inputs"
columns = ["features"]
[[overrides]]
models = "eu-*"
columns = {features = {plan = {type = "category", path = "request.other.plan"}}}
"""


def test_the_job_runs_on_the_sandbox_alone_and_begins_at_the_beginning() -> None:
    changed = sandbox_config(decode_config(PLACED.encode()), "127.0.0.1:1", feeds_history=True)

    assert changed.kafka.bootstrap_servers == "127.0.0.1:1"
    assert changed.kafka.properties == {}
    assert (changed.kafka.start, changed.kafka.bounded) == ("earliest", False)
    assert (changed.job.parallelism, changed.job.delivery) == (1, "at_least_once")


def test_the_page_of_a_sandbox_has_evidence_in_records_that_its_writer_takes() -> None:
    config = decode_config(PLACED.encode())
    large = msgspec.structs.replace(config, evidence=EvidenceTable(max_bytes=5_000_000))

    changed = sandbox_config(large, "127.0.0.1:1", feeds_history=True)

    assert changed.kafka.evidence_topic == "drift-evidence"
    assert changed.evidence.max_bytes == 900_000
    assert config_version(changed) == config_version(large)


def test_a_fed_history_gives_the_alert_ids_of_a_backtest() -> None:
    config = decode_config(PLACED.encode())

    changed = sandbox_config(config, "127.0.0.1:1", feeds_history=True)

    assert config_version(changed) == config_version(config)


def test_events_of_the_users_own_are_found_where_they_say() -> None:
    config = decode_config(PLACED.encode())

    changed = sandbox_config(config, "127.0.0.1:1", feeds_history=False)

    assert (changed.input, changed.columns) == (config.input, config.columns)


def test_own_events_are_keyed_by_model_and_hold_each_column_under_its_name() -> None:
    own = as_own_events(decode_config(PLACED.encode()))

    model, time, event_id = locations_of(own, "topic")
    assert (model.kind, time.kind, event_id.path) == ("key", "timestamp", ("event_id",))
    paths = {column.name: column.paths for column in columns_of(own)}
    assert paths["plan"] == (("plan",),)
    assert own.overrides[0].columns == {"features": {"plan": {"type": "category"}}}


@pytest.mark.parametrize("format_name", ["open_inference", "kserve_v1"])
def test_own_events_of_requests_and_responses_may_be_one_of_both(format_name: str) -> None:
    config = make_config(input={"format": format_name})

    assert as_own_events(config).input.messages == "requests_and_responses"


windows = st.one_of(
    st.builds(
        lambda slide, more: {
            "kind": "time",
            "size_ms": (slide + more) * WIDTH_MS,
            "slide_ms": slide * WIDTH_MS,
            "min_events": 2,
        },
        st.integers(1, 4),
        st.integers(0, 5),
    ),
    st.builds(
        lambda gap, more: {
            "kind": "session",
            "gap_ms": gap * WIDTH_MS,
            "max_size_ms": (gap + more) * WIDTH_MS,
            "min_events": 2,
        },
        st.integers(1, 4),
        st.integers(0, 5),
    ),
)


@given(window=windows, n_panes=st.integers(3, 12))
def test_the_last_heartbeat_closes_the_windows_that_the_end_of_a_backtest_closes(
    window: dict[str, object], n_panes: int
) -> None:
    config = make_config(window=window)
    panes = make_panes([15] * n_panes)
    last_ms = int(panes[-1].events.times_ms[-1])
    until_ms = closing_time_ms(config, last_ms) - config.input.max_out_of_orderness_ms - 1

    live = Replay(config).run(panes)
    live.watermark(until_ms)

    assert live.scores == scores_of_a_backtest(config, panes)


def scores_of_a_backtest(config: DriftJobConfig, panes: Sequence[Pane]) -> list[Score]:
    monitor, state = DriftMonitor(config), InMemoryEntries()
    actions = [monitor.on_pane(pane, state) for pane in panes]
    actions.append(monitor.on_end(panes[0].model, state))
    return [score for each in actions for score in each.scores]
