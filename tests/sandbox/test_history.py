"""A history as a stream: its pace, its times, and the way back to its rows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs.config.columns import columns_of
from flink_jobs.histories.errors import SourceError
from flink_jobs.intake.formats.json import HEARTBEAT_KEY, EventDecoder
from flink_jobs.kafka.event_sender import EventSender
from flink_jobs.records.dead_letters import DeadLetter, Reason
from flink_jobs.replay.on_flink.counts import HistoryCounts
from flink_jobs.sandbox import history as history_module
from flink_jobs.sandbox.history import Feeder, History, read_history
from flink_jobs.sandbox.pace import Pace
from tests.builders import make_config

START_MS = 1_767_225_600_000


class Sent(EventSender):
    """Keeps what would go to a broker, and when."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, bytes, int]] = []

    def send(
        self, key: bytes | None, value: bytes, time_ms: int, partition: int | None = None
    ) -> None:
        self.records.append((key, value, time_ms))

    def send_heartbeats(self, time_ms: int) -> None:
        self.send(HEARTBEAT_KEY.encode(), b"", time_ms)

    def flush(self) -> None:
        pass


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return START_MS / 1000 + 1e6 + self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(history_module, "time", clock)
    monkeypatch.setattr(
        history_module, "Pace", lambda first_ms, speed: Pace(first_ms, speed, clock.monotonic)
    )
    return clock


CONFIG = make_config(
    input={"n_features": 0},
    columns={"features": {"age": "number", "plan": "category"}},
    detector={"reducer": {"kind": "none"}, "test": {"kind": "mixed"}},
)
DECODER = EventDecoder(columns_of(CONFIG))
ROWS = [
    f"churn,{START_MS},e0,30,pro",
    f"churn,{START_MS + 60_000},e1,not a number,pro",
    "churn,,e2,31,pro",
    f"churn,{START_MS + 120_000},e3,32,basic",
]


def history_of(folder: Path, rows: list[str] = ROWS) -> History:
    path = folder / "history.csv"
    path.write_text("\n".join(["model,time_ms,event_id,age,plan", *rows]))
    return read_history(str(path), CONFIG, lambda n, done, total: None)


def test_events_go_out_as_own_events_with_model_and_time(tmp_path: Path) -> None:
    sent = Sent()

    n_sent = list(Feeder(history_of(tmp_path), CONFIG, sent, speed=0).feed())

    assert n_sent[-1] == 3
    assert [(key, time) for key, _, time in sent.records] == [
        (b"churn", START_MS),
        (b"churn", START_MS + 60_000),
        (b"churn", START_MS + 120_000),
    ]
    assert DECODER.decode(sent.records[0][1]).event_id == "e0"


def test_a_minute_of_event_time_takes_a_second_at_sixty_times_real_time(
    tmp_path: Path, clock: Clock
) -> None:
    feeder = Feeder(history_of(tmp_path), CONFIG, Sent(), speed=60)

    steps = [clock.now_s for _ in feeder.feed()]

    assert clock.now_s == pytest.approx(2.0)
    # Somebody looks for alerts in between.
    assert max(b - a for a, b in pairwise(steps)) <= 0.2 + 1e-9


def test_an_event_with_a_wrong_clock_does_not_hold_up_those_behind_it(
    tmp_path: Path, clock: Clock
) -> None:
    year_9999_ms = 253_370_764_800_000
    rows = [ROWS[0], f"churn,{year_9999_ms},e1,30,pro", ROWS[3]]

    list(Feeder(history_of(tmp_path, rows), CONFIG, Sent(), speed=60).feed())

    assert clock.now_s == pytest.approx(2.0)


def test_the_job_learns_nothing_of_a_row_without_a_time_and_the_user_does(tmp_path: Path) -> None:
    feeder = Feeder(history_of(tmp_path), CONFIG, Sent(), speed=0)
    list(feeder.feed())

    misplaced = feeder.misplaced()

    [(where, letter)] = misplaced.first
    assert misplaced.n_by_reason == {letter.reason.value: 1}
    assert where.endswith("history.csv:3")


def test_a_dead_letter_of_the_job_names_file_and_row_and_what_was_wrong_there(
    tmp_path: Path,
) -> None:
    sent = Sent()
    feeder = Feeder(history_of(tmp_path), CONFIG, sent, speed=0)
    list(feeder.feed())
    with pytest.raises(Exception, match="undecodable") as found:
        DECODER.decode(sent.records[1][1])
    from_job = letter_at(1, str(found.value))

    where, letter = feeder.placed(from_job) or ("", from_job)

    assert where.endswith("history.csv:2")
    assert "age" in letter.detail


def test_a_dead_letter_of_an_event_that_somebody_sent_beside_the_history_is_its_own(
    tmp_path: Path,
) -> None:
    feeder = Feeder(history_of(tmp_path), CONFIG, Sent(), speed=0)
    list(feeder.feed())

    assert feeder.placed(letter_at(3, "unexpected end")) is None


def letter_at(offset: int, detail: str) -> DeadLetter:
    return DeadLetter(
        reason=Reason.UNDECODABLE,
        detail=detail,
        model="churn",
        partition=0,
        offset=offset,
        event_time_ms=START_MS,
    )


def test_a_history_of_nothing_usable_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no event that has a model and a time"):
        history_of(tmp_path, [ROWS[2]])


def test_the_closing_heartbeat_waits_for_the_clock(tmp_path: Path, clock: Clock) -> None:
    sent = Sent()
    feeder = Feeder(history_of(tmp_path), CONFIG, sent, speed=0)
    now_ms = int(clock.time() * 1000)

    for _ in feeder.move_time_to(now_ms + 2_500):
        clock.sleep(0.25)

    times = [time_ms for _, _, time_ms in sent.records]
    assert times == [now_ms, now_ms + 1_000, now_ms + 2_000, now_ms + 2_500]


def spans(first_ms: int, span_ms: int) -> History:
    counts = HistoryCounts(0)
    counts.first_ms, counts.last_ms = first_ms, first_ms + span_ms
    return History(None, counts)  # type: ignore[arg-type]


times = st.integers(0, 4_000_000_000_000)
lengths = st.integers(0, 10_000_000_000)


@given(span_ms=lengths)
def test_without_a_speed_a_history_takes_two_minutes_or_real_time(span_ms: int) -> None:
    speed = spans(0, span_ms).default_speed()

    assert span_ms / 1000 / speed == pytest.approx(min(120.0, span_ms / 1000))


@given(
    first_ms=times,
    span_ms=lengths,
    now_ms=times,
    speed=st.floats(0.01, 1e6),
    share=st.floats(0, 1),
)
def test_no_event_of_a_history_that_ends_now_lies_ahead_of_the_clock_when_it_is_sent(
    first_ms: int, span_ms: int, now_ms: int, speed: float, share: float
) -> None:
    shift_ms = spans(first_ms, span_ms).shift_ms(speed, now_ms)

    event_ms = share * span_ms
    sent_ms = now_ms + event_ms / speed
    assert first_ms + event_ms + shift_ms <= sent_ms + 2
    if speed >= 1:
        ends_ms = now_ms + span_ms / speed
        assert first_ms + span_ms + shift_ms == pytest.approx(ends_ms, abs=2)
