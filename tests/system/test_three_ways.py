"""A backtest, a bounded Flink job and the streaming job say the same about the same topic."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kafka import KafkaConsumer
from scipy.stats import ks_2samp

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.records.status import ModelStatus
from flink_jobs.replay.engine import Progress, run_backtest
from flink_jobs.replay.on_flink.run import run_on_flink
from flink_jobs.replay.result import (
    ALERTS_FILE,
    DEAD_LETTERS_FILE,
    EVIDENCE_FILE,
    SCORES_FILE,
    STATUSES_FILE,
    BacktestResult,
    write_statuses,
)
from tests.system.streams import (
    START_MS,
    WIDTH_MS,
    Record,
    Topics,
    by_id,
    make_topics,
    model_stream,
)

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("warmly_launched")]

N_PANES = 24
N_REFERENCE = 100
END_MS = START_MS + N_PANES * WIDTH_MS
ARRIVALS = np.random.default_rng(1).integers(0, 900, size=10_000)
OF_ROWS = ("kernel_e_detector", "conformal_e_detector", "classifier_e_detector")
MORE_DETECTORS = {
    "[job]\n": (
        "[silence]\nafter_ms = 120000\n"
        '[[detectors]]\nname = "bursts"\n'
        'window = {kind = "session", gap_ms = 20000, max_size_ms = 100000, min_events = 20}\n'
        'test = {kind = "cramer_von_mises"}\n'
        '[[detectors]]\nname = "whole"\n'
        'sequential = {kind = "counts_e_detector", run_time_events = 500, score_every_ms = 20000}\n'
        + "".join(
            f'[[detectors]]\nname = "{kind}"\nsequential = {{kind = "{kind}", '
            "run_time_events = 500, score_every_ms = 20000}\n"
            for kind in OF_ROWS
        )
        + "[job]\n"
    )
}
BAD = [
    Record("steady", b"{", END_MS - 1, 0),
    Record(None, b"{}", END_MS - 1, 1),
    Record("moved", b'{"schema_version":1,"event_id":"x","features":[0]}', END_MS - 1, 1),
]


@pytest.fixture
def topics(kafka_broker: KafkaBroker) -> Topics:
    """3,600 events: one model shifts, one comes in bursts, and some of all are a little late."""
    topics = make_topics(kafka_broker)
    stream = model_stream(["steady", "bursty", "moved"], N_PANES, shifted_from_pane=12)
    quiet = {pane for pane in range(N_PANES) if pane % 6 in (3, 4, 5)}
    kept = [
        record
        for record in stream
        if record.key != "bursty" or (record.time_ms - START_MS) // WIDTH_MS not in quiet
    ]
    rng = np.random.default_rng(1)
    arrival_ms = [record.time_ms + int(rng.integers(0, 900)) for record in kept]
    topics.write(kept[place] for place in np.argsort(arrival_ms, kind="stable"))
    topics.write(BAD)
    return topics


def test_in_process_bounded_and_streaming_agree_to_the_byte(
    topics: Topics, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    path, config = topics.config(tmp_path, MORE_DETECTORS)
    source = f"kafka://{topics.broker.bootstrap_servers}/{topics.inference}"

    # Event time ends with the last event.
    here = run_backtest(config, source, folder=tmp_path / "here", processes=1)
    before = topic_names(topics)
    bounded = run_on_flink(config, source, flink_cluster.jobmanager, folder=tmp_path / "bounded")
    assert topic_names(topics) == before
    # Event time goes on: the last sessions close, and no model counts as silent yet.
    topics.heartbeat(END_MS + 8 * WIDTH_MS)
    going_on = run_backtest(config, source, folder=tmp_path / "going-on", processes=2)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    n_scores = going_on.summary.n_scores
    topics.wait_for(topics.scores, lambda values: len(values) >= n_scores, timeout_s=60)
    topics.wait_for(topics.dead_letters, lambda values: len(values) >= len(BAD), timeout_s=20)
    flink_cluster.rest.cancel(job_id)

    for name in (ALERTS_FILE, SCORES_FILE, EVIDENCE_FILE, DEAD_LETTERS_FILE, STATUSES_FILE):
        said = (here.folder / name).read_bytes()
        assert said == (bounded.folder / name).read_bytes() == (going_on.folder / name).read_bytes()
    scores = by_id(lines(going_on, SCORES_FILE), "score_id")
    alerts = by_id(lines(going_on, ALERTS_FILE), "alert_id")
    assert by_id(topics.read(topics.scores), "score_id") == scores
    assert by_id(topics.read(topics.alerts), "alert_id") == alerts
    assert {(s.detector, s.model) for s in here.scores()} == {
        (detector, model)
        for detector in ("main", "bursts", "whole", *OF_ROWS)
        for model in ("steady", "bursty", "moved")
    }
    assert "moved" in {alert.model for alert in here.alerts()}
    for summary in (here.summary, bounded.summary, going_on.summary):
        assert summary.n_events == summary.n_used + len(BAD) == len(topics.written) - 2
        assert sum(summary.dead_letters.values()) == len(BAD)
        assert summary.models == here.summary.models


def test_a_job_over_a_bounded_topic_closes_its_last_windows(
    topics: Topics, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    bounded = MORE_DETECTORS | {"bounded = false": "bounded = true"}
    path, config = topics.config(tmp_path, bounded, writes_status=True)
    source = f"kafka://{topics.broker.bootstrap_servers}/{topics.inference}"
    replayed = run_backtest(config, source, folder=tmp_path / "replayed", processes=1)

    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    flink_cluster.rest.wait_for(job_id, "FINISHED", timeout_s=90)

    scores, alerts = topics.read(topics.scores), topics.read(topics.alerts)
    assert by_id(scores, "score_id") == by_id(lines(replayed, SCORES_FILE), "score_id")
    assert by_id(alerts, "alert_id") == by_id(lines(replayed, ALERTS_FILE), "alert_id")
    assert max(score.window.end_ms for score in replayed.scores()) >= END_MS
    told = [msgspec.json.decode(each, type=ModelStatus) for each in topics.read(topics.status)]
    write_statuses(tmp_path, {status.model: status for status in told}.values())
    assert lines(replayed, STATUSES_FILE) == (tmp_path / STATUSES_FILE).read_bytes().splitlines()
    assert {status.model for status in told} == {"steady", "bursty", "moved"}


NAMED = {
    "n_features = 2\nn_outputs = 3\n": 'missing_features = "allow"\n',
    # A detector of each need: counts, sums, rows; a window of each kind; a reference that moves.
    "[job]\n": """
[columns]
features = {amount = "number", plan = "category", active = "boolean"}
outputs = {shares = {kind = "class_probabilities", class_names = ["a", "b", "c"]}}
[[views]]
name = "amount"
columns = ["amount"]
reducer = {kind = "none"}
test = {kind = "ks"}
[[views]]
name = "inputs"
columns = ["features"]
window = {kind = "time", size_ms = 40_000, slide_ms = 10_000, min_events = 2}
[[views.detectors]]
name = "counted"
window = {kind = "count", size = 90, slide = 40}
test = {kind = "energy", n_permutations = 999}
[[views.detectors]]
name = "bursts"
window = {kind = "session", gap_ms = 20_000, max_size_ms = 100_000, min_events = 20}
test = {kind = "mmd_features"}
[[views]]
name = "outputs"
columns = ["outputs"]
reference = {kind = "trailing", size_ms = 60_000, step_ms = 20_000, min_events = 50}
[sample]
size = 60
[job]
""",
}
LACKS_PLAN_EVERY = 7
PLANS = ("single", "family", "team")


def with_names(record: Record) -> Record:
    """The same event with columns by name, one of them a category and some of them missing."""
    event = json.loads(record.value or b"")
    amount, other = event["features"]
    number = int(event["event_id"].rpartition("-")[2])
    features = {"amount": amount, "plan": PLANS[int(abs(other)) % 3], "active": other > 0}
    if number % LACKS_PLAN_EVERY == 0:
        del features["plan"]
    value = event | {"features": features, "outputs": {"shares": event["outputs"]}}
    return replace(record, value=json.dumps(value).encode())


def test_views_of_named_columns_agree_in_all_three_ways_and_with_scipy(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    models = ["steady", "moved"]
    stream = [with_names(r) for r in model_stream(models, N_PANES, shifted_from_pane=12)]
    arrival_ms = [r.time_ms + int(n) for r, n in zip(stream, ARRIVALS, strict=False)]
    records = [stream[place] for place in np.argsort(arrival_ms, kind="stable")]
    # Sent again, to the other partition.
    records[601:601] = [replace(records[600], partition=1 - records[600].partition)]
    lacking = json.dumps({"schema_version": 1, "event_id": "x", "features": {}}).encode()
    topics.write([*records, Record("moved", lacking, END_MS - 1, 1)])
    path, config = topics.config(tmp_path, NAMED)
    source = f"kafka://{topics.broker.bootstrap_servers}/{topics.inference}"

    here = run_backtest(config, source, folder=tmp_path / "here", processes=1)
    bounded = run_on_flink(config, source, flink_cluster.jobmanager, folder=tmp_path / "bounded")
    topics.heartbeat(END_MS + 12 * WIDTH_MS)
    going_on = run_backtest(config, source, folder=tmp_path / "going-on", processes=2)
    job_id = flink_cluster.submit(DRIFT_JOB, ["--config", str(path)])
    n_scores = going_on.summary.n_scores
    topics.wait_for(topics.scores, lambda values: len(values) >= n_scores, timeout_s=90)
    topics.wait_for(topics.dead_letters, lambda values: len(values) >= 1, timeout_s=20)
    flink_cluster.rest.cancel(job_id)

    for name in (ALERTS_FILE, SCORES_FILE, EVIDENCE_FILE, DEAD_LETTERS_FILE, STATUSES_FILE):
        said = (here.folder / name).read_bytes()
        assert said == (bounded.folder / name).read_bytes() == (going_on.folder / name).read_bytes()
    scores = by_id(lines(going_on, SCORES_FILE), "score_id")
    alerts = by_id(lines(going_on, ALERTS_FILE), "alert_id")
    assert by_id(topics.read(topics.scores), "score_id") == scores
    assert by_id(topics.read(topics.alerts), "alert_id") == alerts
    assert {
        (s.view, s.detector, s.window.kind) for s in here.scores() if s.p_value is not None
    } == {
        ("amount", "main", "time"),
        ("inputs", "main", "time"),
        ("inputs", "counted", "count"),
        ("inputs", "bursts", "session"),
        ("outputs", "main", "time"),
    }
    assert {alert.view for alert in here.alerts()} == {"amount", "inputs", "outputs"}
    n_dead = sum(here.summary.dead_letters.values())
    assert (n_dead, here.summary.n_used) == (1, len(stream))
    assert here.summary.n_events == len(stream) + 2
    compare_with_scipy(here, stream)


def compare_with_scipy(result: BacktestResult, stream: Sequence[Record]) -> None:
    """KS of one column against the first events, as SciPy has it for the same rows."""
    amounts: dict[str, list[float]] = {}
    for record in sorted(stream, key=lambda r: (r.time_ms, json.loads(r.value or b"")["event_id"])):
        amount = json.loads(record.value or b"")["features"]["amount"]
        amounts.setdefault(str(record.key), []).append(amount)
    tested = [s for s in result.scores() if s.view == "amount" and s.statistic is not None]
    assert len(tested) == 2 * (N_PANES // 2 - 1)
    for score in tested:
        of_model, first = amounts[score.model], N_REFERENCE + score.window.first_event
        x_test = of_model[first : first + score.window.n_events]
        by_scipy = ks_2samp(of_model[:N_REFERENCE], x_test)
        assert score.statistic == pytest.approx(by_scipy.statistic, abs=1e-12)
        assert score.p_value == pytest.approx(by_scipy.pvalue, rel=0.05)


def as_lines(path: Path, records: Sequence[Record]) -> Path:
    """With the keys of events: what bad lines hold is for the job to refuse."""
    lines = [
        json.dumps({"model": r.key, "time_ms": r.time_ms} | json.loads(r.value or b"")).encode()
        for r in records
    ]
    lines[100:100] = [b"{", b"", b'{"model": "steady", "time_ms": "soon"}']
    lines[200] = lines[200].replace(b'"features": [', b'"features": [null, ')
    lines[300] = lines[300].replace(b'"event_id"', b'"more": "' + b"x" * 6_000 + b'", "event_id"')
    lines[400] = lines[400].replace(b'"model": "', b'"another": "')
    path.write_bytes(b"\n".join(lines))
    return path


def as_other_lines(path: Path, records: Sequence[Record]) -> Path:
    """With keys of their own and without ids."""
    lines = []
    for record in records:
        event = json.loads(record.value or b"")
        row = {"which": record.key, "at": record.time_ms, "in": event["features"]}
        lines.append(json.dumps(row | {"out": event["outputs"]}).encode())
    lines[300] = lines[300].replace(b'"in"', b'"more": "' + b"x" * 6_000 + b'", "in"')
    lines[350] = lines[350].replace(b'"in": [', b'"in": ["many", ')
    path.write_bytes(b"\n".join(lines))
    return path


def as_parquet(path: Path, records: Sequence[Record]) -> Path:
    events = [json.loads(record.value or b"") for record in records]
    x = np.array([event["features"] for event in events])
    table = pa.table(
        {
            "model": pa.array([record.key for record in records]).dictionary_encode(),
            "time_ms": pa.array([record.time_ms for record in records], pa.timestamp("ms")),
            "event_id": [event["event_id"] for event in events],
            "features": x.tolist(),
            "outputs": [event["outputs"] for event in events],
        }
    )
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize(
    ("write", "columns", "reasons"),
    [
        (
            as_lines,
            "",
            {
                "late",
                "no_model",
                "no_time",
                "not_finite",
                "oversized_payload",
                "undecodable",
            },
        ),
        (
            as_other_lines,
            'model = "which"\ntime = "at"\nevent_id = ""\nfeatures = "in"\noutputs = "out"\n',
            {"invalid_event", "late", "oversized_payload"},
        ),
    ],
)
def test_files_on_flink_and_in_process_agree_to_the_byte(
    kafka_broker: KafkaBroker,
    flink_cluster: FlinkCluster,
    tmp_path: Path,
    write: Callable[[Path, Sequence[Record]], Path],
    columns: str,
    reasons: set[str],
) -> None:
    topics = make_topics(kafka_broker)
    stream = model_stream(["steady", "bursty", "moved"], N_PANES, shifted_from_pane=12)
    arrival_ms = [r.time_ms + int(n) for r, n in zip(stream, ARRIVALS, strict=False)]
    records = [stream[place] for place in np.argsort(arrival_ms, kind="stable")]
    # Two minutes late.
    records.insert(3_000, records.pop(1_800))
    path = write(tmp_path / "a.jsonl", records)
    table = {"[job]\n": f"[columns]\n{columns}" + MORE_DETECTORS["[job]\n"]}
    reducer = {"[reference]\n": '[detector]\nreducer = {kind = "none"}\n[reference]\n'}
    if write is as_other_lines:
        reducer["[input]\n"] = '[input]\nformat = "json"\n'
    _, config = topics.config(tmp_path, table | reducer)
    before, told = topic_names(topics), list[Progress]()

    here = run_backtest(config, path, folder=tmp_path / "here", processes=1)
    on_flink = run_on_flink(
        config,
        str(path),
        flink_cluster.jobmanager,
        folder=tmp_path / "flink",
        progress=told.append,
    )

    for each in (ALERTS_FILE, SCORES_FILE, EVIDENCE_FILE, DEAD_LETTERS_FILE, STATUSES_FILE):
        assert (here.folder / each).read_bytes() == (on_flink.folder / each).read_bytes()
    assert topic_names(topics) == before
    assert here.alerts()
    assert set(here.summary.dead_letters) == reasons
    assert on_flink.summary.dead_letters == here.summary.dead_letters
    assert on_flink.summary.models == here.summary.models
    assert on_flink.summary.n_events == here.summary.n_events
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert told[-1].done >= told[-1].total // 2


def test_a_backtest_on_flink_that_is_ended_leaves_neither_job_nor_topics(
    kafka_broker: KafkaBroker, flink_cluster: FlinkCluster, tmp_path: Path
) -> None:
    topics = make_topics(kafka_broker)
    records = model_stream(["steady"], N_PANES, shifted_from_pane=N_PANES)
    path = as_parquet(tmp_path / "a.parquet", records)
    _, config = topics.config(tmp_path, {"[job]\n": "[columns]\n[job]\n"})
    before, halves = topic_names(topics), list[Progress]()

    def end_in_the_job(reached: Progress) -> None:
        # The first half is that of writing the file.
        halves.extend([reached] if 2 * reached.done >= reached.total else [])
        if len(halves) > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on_flink(config, str(path), flink_cluster.jobmanager, progress=end_in_the_job)

    ours = [job for job in flink_cluster.rest.jobs() if job["name"].startswith("loudly-backtest")]
    assert "CANCELED" in {job["state"] for job in ours} <= {"CANCELED", "FINISHED"}
    assert topic_names(topics) == before


def lines(result: BacktestResult, name: str) -> list[bytes]:
    return (result.folder / name).read_bytes().splitlines()


def topic_names(topics: Topics) -> set[str]:
    with closing(KafkaConsumer(bootstrap_servers=topics.broker.bootstrap_servers)) as consumer:
        return set(consumer.topics())
