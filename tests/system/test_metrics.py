"""Good and bad events in a job on a real cluster: on its topics, as pushed metrics, over REST."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
import yaml

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.alerts import Alert, AlertKind, Score
from flink_jobs.records.control import Describe, Outcome
from flink_jobs.records.dead_letters import DeadLetter, Reason
from scripts.shared.processes import listening_addresses
from tests.system.push_gateway import PushGateway
from tests.system.streams import (
    START_MS,
    WIDTH_MS,
    Record,
    Topics,
    by_id,
    encoded,
    make_topics,
    model_stream,
)
from tests.warm_client.client import WarmClient

pytestmark = pytest.mark.system

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
# A reporter's own default would turn the dash into an underscore.
STEADY, MOVED = "steady", "moved-1"
N_PANES = 12
END_MS = START_MS + N_PANES * WIDTH_MS
_GOOD = b'{"schema_version":1,"event_id":"x","features":[0,0],"outputs":[0.2,0.3,0.5]}'
BAD = {
    Reason.MISSING_KEY: Record(None, _GOOD, END_MS - 1, 0),
    Reason.MISSING_PAYLOAD: Record(STEADY, None, END_MS - 1, 0),
    Reason.OVERSIZED_PAYLOAD: Record(STEADY, b" " * 5_001, END_MS - 1, 1),
    Reason.UNDECODABLE: Record(STEADY, b"{", END_MS - 1, 0),
    Reason.UNKNOWN_SCHEMA_VERSION: Record(STEADY, b'{"schema_version":7}', END_MS - 1, 1),
    Reason.INVALID_EVENT: Record(STEADY, _GOOD.replace(b'"x"', b'""'), END_MS - 1, 0),
    Reason.WRONG_LENGTH: Record(STEADY, _GOOD.replace(b"[0,0]", b"[0]"), END_MS - 1, 1),
    Reason.NOT_FINITE: Record(STEADY, _GOOD.replace(b"[0,0]", b"[0,NaN]"), END_MS - 1, 0),
    Reason.NOT_A_DISTRIBUTION: Record(STEADY, _GOOD.replace(b"0.5", b"0.9"), END_MS - 1, 1),
}
N_DUPLICATES = 1
N_REFERENCE = 100
# The reference is the 100 events of the first two panes.
REFERENCE_END_MS = START_MS + 2 * WIDTH_MS
_UNPREDICTABLE = (
    "test_duration_ns",
    "reference_bytes",
    "state_bytes",
    f"model.{STEADY}.state_bytes",
    f"model.{MOVED}.state_bytes",
)
_BEFORE_PANES = (
    Reason.MISSING_KEY,
    Reason.MISSING_PAYLOAD,
    Reason.OVERSIZED_PAYLOAD,
    Reason.FAR_FUTURE,
    Reason.LATE,
    Reason.PANE_FULL,
)


@dataclass
class Watched:
    """A job that has done its work, and where its metrics are."""

    cluster: FlinkCluster
    gateway: PushGateway
    job_id: str
    topics: Topics
    expected_alerts: dict[str, bytes]
    expected_scores: dict[str, bytes]
    expected: dict[str, float]


@pytest.fixture(scope="module")
def watched(
    kafka_broker: KafkaBroker,
    warm_client: WarmClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    topics = make_topics(kafka_broker)
    named = {"[job]\n": f'[job]\nnamed_models = ["{STEADY}", "{MOVED}"]\n'}
    folder = tmp_path_factory.mktemp("metrics")
    path, config = topics.config(folder, named, takes_commands=True)
    stream = model_stream([STEADY, MOVED], N_PANES, shifted_from_pane=7)
    # The only event of its test window.
    lonely = Record(STEADY, stream[0].value, END_MS + WIDTH_MS, 0)
    # Sent again, to the other partition: it counts once.
    again = replace(stream[0], partition=1)
    topics.write([stream[0], again, *stream[1:], *BAD.values(), lonely])
    topics.heartbeat(END_MS + 3 * WIDTH_MS)
    alerts, scores = encoded(topics.expected(config))
    with (
        PushGateway() as gateway,
        FlinkCluster(
            n_slots=1, settings=_settings(gateway), submit_by=warm_client.submit_job
        ) as cluster,
    ):
        job_id = cluster.submit(DRIFT_JOB, ["--config", str(path)])
        topics.wait_for(topics.scores, lambda v: len(v) >= len(scores), timeout_s=120)
        # Event time has moved on: now one event is late, and one is far ahead of the clock.
        far_ms = int(time.time() * 1000) + 10 * 3_600_000
        late_and_early = [Record(STEADY, lonely.value, ms, 0) for ms in (START_MS, far_ms)]
        topics.write(late_and_early)
        n_dead = len(BAD) + len(late_and_early)
        topics.wait_for(topics.dead_letters, lambda v: len(v) >= n_dead, timeout_s=60)
        topics.command(STEADY, Describe(command_id="1", model=STEADY))
        topics.command(STEADY, b"no command")
        topics.command("*", Describe(command_id="2", model="*"))
        topics.wait_for(topics.audit, lambda v: len(v) >= 3, timeout_s=60)
        expected = _expected(topics, n_used=len(stream) + 1)
        yield Watched(cluster, gateway, job_id, topics, alerts, scores, expected)


def test_a_mixture_of_good_and_bad_events_is_accounted_for_to_the_last_one(
    watched: Watched,
) -> None:
    topics = watched.topics

    scores = by_id(topics.read(topics.scores), "score_id")
    dead = [msgspec.json.decode(v, type=DeadLetter) for v in topics.read(topics.dead_letters)]

    assert scores == watched.expected_scores
    assert by_id(topics.read(topics.alerts), "alert_id") == watched.expected_alerts
    assert {msgspec.json.decode(a)["model"] for a in watched.expected_alerts.values()} == {MOVED}
    reasons = [*BAD, Reason.LATE, Reason.FAR_FUTURE]
    assert Counter(d.reason for d in dead) == Counter(reasons)
    places = {(r.partition, offset): r for r, offset in topics.written}
    for each in dead:
        record = places[each.partition, each.offset]
        assert each.payload == (None if record.value is None else record.value[:50])
        assert each.event_time_ms == record.time_ms
    tested = sum(msgspec.json.decode(s)["window"]["n_events"] for s in scores.values())
    n_heartbeats = 2
    n_others = len(reasons) + N_DUPLICATES + n_heartbeats
    assert tested + 2 * N_REFERENCE + n_others == len(topics.written)


def test_pushed_metrics_agree_to_the_last_event_with_what_the_job_wrote(watched: Watched) -> None:
    metrics = _once_equal(watched.gateway.metrics, watched.expected)

    assert {name: metrics[name] for name in watched.expected} == watched.expected
    assert metrics["events"] == sum(
        metrics[name] for name in ("used", "dead_letters", "duplicates")
    )
    assert min(metrics[name] for name in _UNPREDICTABLE) > 0
    assert metrics.keys() == watched.expected.keys() | set(_UNPREDICTABLE)


def test_the_rest_interface_shows_the_same_metrics(watched: Watched) -> None:
    metrics = _once_equal(lambda: _over_rest(watched), watched.expected)

    assert {name: metrics[name] for name in watched.expected} == watched.expected


def test_the_process_that_pushes_metrics_listens_on_the_loopback_interface_only(
    watched: Watched,
) -> None:
    # The JobManager pushes as the TaskManager does; there, Beam's servers for the Python workers
    # listen on all interfaces whatever the settings are.
    job_manager = watched.cluster.pids[0]

    assert listening_addresses(job_manager) == {"127.0.0.1"}


def test_every_metric_is_in_the_documentation(watched: Watched) -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", _DOCS.read_text(), re.MULTILINE))

    names = {*watched.expected, *_UNPREDICTABLE}
    assert documented == {re.sub(r"^(\w+)\..+\.(\w+)$", r"\1_\2", name) for name in names}


def _expected(topics: Topics, n_used: int) -> dict[str, float]:
    """What the metrics have to be, from the records on the topics."""
    scores = [msgspec.json.decode(v, type=Score) for v in topics.read(topics.scores)]
    alerts = [msgspec.json.decode(v, type=Alert) for v in topics.read(topics.alerts)]
    dead = [msgspec.json.decode(v, type=DeadLetter) for v in topics.read(topics.dead_letters)]
    tested = [s for s in scores if s.statistic is not None]
    reasons, kinds = Counter(d.reason for d in dead), Counter(a.kind for a in alerts)
    assert sum(kinds.values()) > 0
    assert len(tested) == len(scores) - 1
    in_panes = [d for d in dead if d.model == STEADY and d.reason not in _BEFORE_PANES]
    n_of_moved = N_PANES * 50
    n_of_steady = n_used - n_of_moved + len(in_panes) + N_DUPLICATES
    n_events = {STEADY: n_of_steady, MOVED: n_of_moved}
    now_ms = {STEADY: END_MS + 2 * WIDTH_MS, MOVED: END_MS}
    n_age = {
        STEADY: n_used - n_of_moved - N_REFERENCE,
        MOVED: n_of_moved - N_REFERENCE,
    }
    expected: dict[str, float] = {
        "events": n_used + len(dead) + N_DUPLICATES,
        "used": n_used,
        "dead_letters": len(dead),
        "duplicates": N_DUPLICATES,
        "windows_tested": len(tested),
        "windows_too_few": 1,
        "windows_no_reference": 0,
        "windows_failed": 0,
        "references_unusable": 0,
        "paused": 0,
        f"model.{STEADY}.late_events": reasons[Reason.LATE],
        "alerts": len(alerts),
    }
    expected |= {f"reason.{reason}.dead_letters": reasons[reason] for reason in Reason}
    expected |= {f"kind.{kind}.alerts": kinds[kind] for kind in AlertKind}
    answered = (Outcome.APPLIED, Outcome.REFUSED, Outcome.ACCEPTED)
    expected |= {f"outcome.{each}.commands": float(each in answered) for each in Outcome}
    for model in (STEADY, MOVED):
        of_model = sorted((s for s in tested if s.model == model), key=lambda s: s.window.end_ms)
        statistic = of_model[-1].statistic
        assert statistic is not None
        expected |= {
            f"model.{model}.events": n_events[model],
            f"model.{model}.windows_tested": len(of_model),
            f"model.{model}.alerts": sum(a.model == model for a in alerts),
            f"model.{model}.reference_age_events": n_age[model],
            f"model.{model}.reference_age_ms": now_ms[model] - REFERENCE_END_MS,
            f"model.{model}.reference_events_missing": 0,
            f"model.{model}.last_statistic_millionths": round(statistic * 1e6),
        }
    return expected


def _settings(gateway: PushGateway) -> dict[str, str]:
    """The settings that the documentation tells people to use."""
    blocks = re.findall(r"```yaml\n(.*?)```", _DOCS.read_text(), re.DOTALL)
    [block] = [each for each in blocks if "PushGatewayReporterFactory" in each]
    settings = {key: str(value) for key, value in yaml.safe_load(block).items()}
    return settings | {
        "metrics.reporter.push.hostUrl": gateway.url,
        "metrics.reporter.push.interval": "1 s",
        "metrics.fetcher.update-interval": "1000",
    }


def _over_rest(watched: Watched) -> dict[str, float]:
    rest, total = watched.cluster.rest, dict[str, float]()
    for vertex in rest.job(watched.job_id)["vertices"]:
        names = rest.vertex_metrics(watched.job_id, vertex["id"])
        ours = [quote(name) for name in names if ".loudly." in name]
        if not ours:
            continue
        for name, value in rest.vertex_metrics(watched.job_id, vertex["id"], ours).items():
            path = name.partition(".loudly.")[2]
            total[path] = total.get(path, 0) + float(value)
    return total


def _once_equal(
    read: Callable[[], dict[str, float]], expected: dict[str, float]
) -> dict[str, float]:
    """Metrics trail the records by a bundle and a report; read until they agree or time is up."""
    deadline = time.monotonic() + 30
    while True:
        metrics = read()
        if expected.items() <= metrics.items() or time.monotonic() > deadline:
            return metrics
        time.sleep(0.5)
