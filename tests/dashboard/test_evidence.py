"""The events behind incidents: which the page keeps, what it draws from them, and what it says."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import numpy as np
import pytest
from kafka import KafkaProducer

from flink_jobs.dashboard import evidence as followed
from flink_jobs.dashboard.evidence import EvidenceFollower, KeptEvidence
from flink_jobs.dashboard.feed import Feed, Topics
from flink_jobs.dashboard.moved import Moved, moved_of
from flink_jobs.dashboard.state import LiveState
from flink_jobs.embedded.kafka_broker import KafkaBroker
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.topics import admin_client
from flink_jobs.records.alerts import AlertKind
from flink_jobs.records.evidence import Evidence, EvidenceColumn
from flink_jobs.reports.evidence import Shown
from tests.dashboard.records import alert, evidence, score, write

LATER: dict[str, Any] = {"kind": AlertKind.ONGOING}


def kept(*records: Evidence, **options: Any) -> KeptEvidence:
    made = KeptEvidence("drift-evidence", **options)
    for record in records:
        made.take(record)
    return made


def moved_in(state: LiveState, number: int = 0) -> Moved:
    chart = state.chart(number, None)
    assert chart is not None
    assert chart.moved is not None
    return chart.moved


def test_what_moved_is_drawn_from_the_events_that_were_tested() -> None:
    record = evidence("m", 2)

    of_alert, of_events = moved_of(alert("m", 2)), moved_of(alert("m", 2), record)

    tenure = next(each for each in of_events.columns if each.name == "tenure")
    histogram = Shown(record).histogram("tenure")
    assert histogram is not None
    assert tenure.rows == histogram.rows
    assert tenure.drawn is not None
    assert [each["type"] for each in tenure.drawn["data"]] == ["bar", "scatter"]
    assert of_events.source == (
        "Drawn from events that were tested: 4 of the window and 4 of the reference."
    )
    assert (of_events.n_ref, of_events.n_test) == (record.sample.n_ref, record.sample.n_test)
    assert of_alert.columns != of_events.columns


def test_a_later_and_weaker_alert_leaves_the_strongest_window_in_the_picture() -> None:
    record = evidence("m", 2, place="strongest")

    moved = moved_of(alert("m", 9, **LATER), record)

    assert (moved.start_ms, moved.end_ms) == (record.window.start_ms, record.window.end_ms)
    assert moved.alert_id == record.alert_id
    assert "in the incident's strongest window: 4 of the window" in moved.source
    # In which segments a later window moved says nothing of this one.
    assert moved.confined == []


def test_the_mix_of_predicted_classes_comes_with_the_probabilities_of_classes() -> None:
    rng = np.random.default_rng(3)
    before, now = rng.dirichlet([9, 1, 1], size=300), rng.dirichlet([1, 9, 1], size=300)
    columns = [
        EvidenceColumn(
            name=name,
            of="p",
            type="number",
            kind="class_probabilities",
            reference=before[:, place].tobytes(),
            window=now[:, place].tobytes(),
        )
        for place, name in enumerate(("cat", "dog", "owl"))
    ]
    ids = [f"e{place}" for place in range(300)]

    mix = moved_of(alert("m", 2), evidence("m", 2, columns=columns, event_ids=ids)).mix

    assert mix is not None
    assert mix["words"].startswith("Shares of the classes: reference ○, window ◆ and estimated ■.")
    assert "Accuracy estimated for this window" in mix["words"]
    assert [row[0] for row in mix["rows"]] == ["cat", "dog", "owl"]
    assert len(mix["drawn"]["data"]) == 3
    assert moved_of(alert("m", 2), evidence("m", 2)).mix is None


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_newest_evidence_of_a_detector_is_kept_whatever_the_partition(
    is_reversed: bool,
) -> None:
    records = [evidence("m", 1), evidence("m", 4, place="strongest"), evidence("n", 2)]

    made = kept(*(reversed(records) if is_reversed else records))

    found = made.of(alert("m", 7, **LATER))
    assert found is not None
    assert found.read() == records[1]


def test_evidence_of_another_incident_or_detector_is_not_shown() -> None:
    made = kept(evidence("m", 1))

    assert made.of(alert("m", 1)) is not None
    assert made.of(alert("m", 9, incident_id="the next one")) is None
    assert made.of(alert("m", 1, view="outputs")) is None
    assert made.of(alert("n", 1)) is None


def test_memory_is_bounded_in_bytes_and_what_came_last_stays() -> None:
    size = kept(evidence("m-00", 0)).n_bytes

    made = kept(*(evidence(f"m-{n:02}", 0) for n in range(50)), most_bytes=3 * size)

    assert made.n_bytes <= 3 * size
    assert [made.of(alert(f"m-{n:02}", 0)) is not None for n in (0, 46, 47, 48, 49)] == [
        *(False, False),
        *(True, True, True),
    ]
    large = np.zeros(200_000).tobytes()
    column = msgspec.structs.replace(evidence("m", 0).columns[0], window=large)
    made.take(evidence("m", 0, columns=[column], event_ids=["e"] * 200_000))
    assert made.n_bytes == 0


def test_evidence_that_comes_after_its_alert_is_sent_once() -> None:
    state = LiveState(evidence=KeptEvidence("drift-evidence"))
    state.take([score("m", 0, 0.2), alert("m", 0)])
    before = state.chart(0, None)
    assert before is not None
    state.drain()

    state.take([evidence("m", 0)])

    told = [row.model for row in state.drain().rows]
    after = state.chart(0, None, before.moved_id)
    assert after is not None
    again = state.chart(0, None, after.moved_id)
    assert again is not None
    assert told == ["m"]
    assert after.moved is not None
    assert "events that were tested: 4" in after.moved.source
    assert (again.moved, again.moved_id) == (None, after.moved_id)


def test_evidence_alone_makes_no_model() -> None:
    state = LiveState(evidence=KeptEvidence("drift-evidence"))

    state.take([evidence("m", 0)])

    assert state.everything().rows == []


@pytest.mark.parametrize(
    ("topic", "problem", "said"),
    [
        (None, "", "give --evidence-topic to see the events that were tested"),
        ("e", "there is no topic 'e'", "cannot be read (there is no topic 'e')"),
        ("e", "", "are not, or no longer, at hand"),
    ],
)
def test_a_sentence_says_why_there_are_no_events(
    topic: str | None, problem: str, said: str
) -> None:
    made = KeptEvidence(topic)
    made.problem = problem
    state = LiveState(evidence=made)
    state.take([score("m", 0, 0.2), alert("m", 0)])

    source = moved_in(state).source

    assert source.startswith("Drawn from the alert alone: ")
    assert source.endswith(f"{said}.")


class Broken:
    """A follower whose topic goes away while it is read."""

    def __enter__(self) -> Broken:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def poll(self, timeout_s: float) -> list[Evidence]:
        raise FollowError("the topic cannot be read")


def test_a_topic_that_cannot_be_read_any_more_stops_nothing_else() -> None:
    made = KeptEvidence("e")

    with EvidenceFollower(lambda: cast(Any, Broken()), lambda: None, made) as follower:
        assert follower.poll(0) == []

    assert made.problem == "the topic cannot be read"
    assert follower.has_caught_up()


@pytest.mark.integration
def test_the_page_follows_evidence_and_goes_on_when_the_topic_is_gone_or_back(
    kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "_LOOK_EVERY_S", 0.0)
    servers, names = kafka_broker.bootstrap_servers, ("alerts", "scores", "evidence")
    alerts, scores, topic = (f"kept-{name}" for name in names)
    for name in (alerts, scores):
        kafka_broker.create_topic(name)
    producer = KafkaProducer(bootstrap_servers=servers)
    state = LiveState(evidence=KeptEvidence(topic))
    topics = Topics(bootstrap_servers=servers, alerts=alerts, scores=scores, evidence=topic)
    write(producer, scores, score("m", 0, 0.2))
    write(producer, alerts, alert("m", 0))

    feed = Feed(topics, state)
    feed._open()
    try:
        said = [source_after(feed, state, lambda source: "there is no topic" in source)]
        kafka_broker.create_topic(topic)
        write(producer, topic, evidence("m", 0))
        said.append(source_after(feed, state, lambda source: "that were tested: 4" in source))
        with admin_client(servers, {}) as admin:
            admin.delete_topics([topic])
        write(producer, alerts, alert("m", 1, incident_id="another"))
        said.append(source_after(feed, state, lambda source: "there is no topic" in source))
    finally:
        feed._stack.close()
        producer.close()

    assert [source.partition(":")[0] for source in said] == [
        "Drawn from the alert alone",
        "Drawn from events that were tested",
        "Drawn from the alert alone",
    ]


def source_after(feed: Feed, state: LiveState, fits: Any) -> str:
    """Poll until the page says what is waited for; at most 200 times."""
    source = ""
    for _ in range(200):
        feed._poll(set())
        chart = state.chart(0, None) if state.knows("m") else None
        source = chart.moved.source if chart is not None and chart.moved is not None else ""
        if fits(source):
            break
    return source
