"""A committed savepoint of the whole job, and the stream that goes on.

In ``tests/fixtures/savepoint`` lie the savepoint itself and the records that the job had written
until then. ``tests/system/write_savepoint_fixture.py`` writes them.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
from kafka import KafkaAdminClient

from flink_jobs.embedded.kafka_broker import KafkaBroker
from tests.state_fixtures import Record as Result
from tests.state_fixtures import Records as Results
from tests.system.streams import N_PARTITIONS, START_MS, WIDTH_MS, Record, Topics, model_stream

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "savepoint"
N_PANES = 14
END_MS = START_MS + N_PANES * WIDTH_MS
# In the middle of a pane and of a test window: pane 8 lies in the monitor's state, the first half
# of pane 9 in that of Flink's window operator.
CUT_MS = START_MS + 9 * WIDTH_MS + WIDTH_MS // 2
_STEADY = [f"steady-{i}" for i in range(4)]
# Of "moved" and the steady models, the windows of panes 2-3, 4-5 and 6-7.
N_SCORES_BEFORE = 3 * (len(_STEADY) + 1)
_LATE_FROM_MS = START_MS + 8 * WIDTH_MS


def stream() -> tuple[list[Record], list[Record]]:
    """What comes before and after the savepoint.

    At that time the steady models are monitored, "moved" has an open incident, and "late" has 50 of
    the 100 events of its reference.
    """
    records = [
        record
        for record in model_stream([*_STEADY, "late", "moved"], N_PANES, shifted_from_pane=5)
        if record.key != "late" or record.time_ms >= _LATE_FROM_MS
    ]
    n_before = sum(record.time_ms < CUT_MS for record in records)
    return records[:n_before], records[n_before:]


def savepoint_topics(broker: KafkaBroker) -> Topics:
    """Empty topics with the names that the savepoint knows them by."""
    names = [f"savepoint-{what}" for what in ("in", "alerts", "scores", "dead")]
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)) as admin:
        if used := sorted({*names} & {*admin.list_topics()}):
            admin.delete_topics(used)
    inference, alerts, scores, dead_letters = names
    broker.create_topic(inference, n_partitions=N_PARTITIONS)
    for name in (alerts, scores, dead_letters):
        broker.create_topic(name)
    return Topics(broker, inference, alerts, scores, dead_letters)


def results_on(topics: Topics) -> Results:
    """The alerts and scores on the topics."""
    return {"alerts": _decoded(topics, topics.alerts), "scores": _decoded(topics, topics.scores)}


def _decoded(topics: Topics, topic: str) -> list[Result]:
    return [msgspec.json.decode(value) for value in topics.read(topic)]
