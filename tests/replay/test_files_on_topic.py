"""Files become a topic in the order in which they are read, and what the job says finds back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from flink_jobs.config.columns import columns_of
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Names
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.sources import open_source
from flink_jobs.intake.formats.json import EventDecoder
from flink_jobs.records.alerts import Alert
from flink_jobs.records.dead_letters import DeadLetter, Reason
from flink_jobs.replay.on_flink.files_on_topic import FilesOnTopic
from tests.histories.examples import (
    START_MS,
    Event,
    Write,
    backtest_config,
    columns,
    json_line,
    make_events,
    to_table,
    write_csv,
    write_json_lines,
    write_parquet,
)

Record = tuple[bytes | None, bytes, int]


def on_topic(config: DriftJobConfig, path: Path) -> tuple[FilesOnTopic, list[Record]]:
    names, source = Names(), open_source(str(path), config)
    files = FilesOnTopic(source, config, names)
    batches = source.batches(names, START_MS + 10**9)
    return files, [record for batch in batches for record in files.records(batch)]


def letter(offset: int, reason: Reason, **keys: Any) -> DeadLetter:
    own: dict[str, Any] = {"detail": "said by the job", "model": "a", "event_time_ms": START_MS}
    return DeadLetter(reason=reason, partition=0, offset=offset, **(own | keys))


@pytest.mark.parametrize("write", [write_parquet, write_csv])
def test_rows_of_a_table_become_events_with_the_same_numbers(tmp_path: Path, write: Write) -> None:
    events = make_events()
    ending = write.__name__.removeprefix("write_")
    config = backtest_config(columns=columns(), input={"n_outputs": 2})

    _, records = on_topic(config, write(tmp_path / f"a.{ending}", events))

    decode = EventDecoder(columns_of(config)).decode
    assert [key for key, _, _ in records] == [event.model.encode() for event in events]
    assert [time_ms for _, _, time_ms in records] == [event.time_ms for event in events]
    read = [decode(value) for _, value, _ in records]
    assert [(each.event_id, list(each.features)) for each in read] == [
        (event.event_id, event.features) for event in events
    ]


def test_lines_that_are_events_go_as_they_are_also_bad_ones(tmp_path: Path) -> None:
    lines = [json_line(event) for event in make_events(n=3)]
    lines[4] = json_line(Event("a", START_MS, "short", [1.0]))
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))

    _, records = on_topic(backtest_config(), path)

    assert [value for _, value, _ in records] == lines


def test_lines_without_a_place_in_time_stay_behind_and_the_others_find_back(
    tmp_path: Path,
) -> None:
    lines = [json_line(event) for event in make_events(models=["a"], n=6)]
    lines[1:1] = [b"{", b"", b'{"model": "a", "time_ms": "soon"}']
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))

    files, records = on_topic(backtest_config(), path)

    assert len(records) == files.n_records == 6
    assert [(each.offset, each.reason) for each in files.misplaced.first()] == [
        (1, Reason.UNDECODABLE),
        (3, Reason.NO_TIME),
    ]
    found = files.letters(letter(offset, Reason.LATE) for offset in (0, 1, 5))
    assert [each.offset for each in found] == [0, 4, 8]


def test_files_of_a_folder_are_one_after_the_other_on_the_topic(tmp_path: Path) -> None:
    events = make_events(models=["a"], n=10)
    write_json_lines(tmp_path / "2.jsonl", events[6:])
    write_json_lines(tmp_path / "1.jsonl", events[:6])

    files, records = on_topic(backtest_config(), tmp_path)

    assert [time_ms for _, _, time_ms in records] == [event.time_ms for event in events]
    found = list(files.letters(letter(offset, Reason.LATE) for offset in (5, 6, 9)))
    assert [(each.partition, each.offset) for each in found] == [(0, 5), (1, 0), (1, 3)]


def test_rows_that_cannot_be_read_keep_the_letter_that_was_written_here(tmp_path: Path) -> None:
    frame = to_table(make_events(models=["a"], n=5)).to_pandas()
    frame["f1"] = frame["f1"].astype(object)
    frame.loc[3, "f1"] = "many"
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    config = backtest_config(columns=columns())

    files, records = on_topic(config, path)

    of_the_job = [letter(3, Reason.UNDECODABLE, payload=records[3][1]), letter(3, Reason.LATE)]
    kept, late = files.letters(of_the_job)
    assert (kept.reason, kept.detail, kept.payload) == (
        Reason.INVALID_EVENT,
        "f1 is 'many', which is not a number",
        None,
    )
    # What comes too late is late, whatever it holds.
    assert late.reason is Reason.LATE


def test_letters_show_the_line_of_the_file_where_the_topic_held_another(tmp_path: Path) -> None:
    lines = [
        msgspec.json.encode({"at": START_MS + n, "id": f"e{n}", "x": [1, 2, 3]}) for n in range(3)
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    keys = {"model_name": "a", "time": "at", "event_id": "id", "features": "x"}
    config = backtest_config(columns=keys, input={"dead_letter_payload_bytes": 10})

    files, records = on_topic(config, path)
    found = list(files.letters([letter(1, Reason.LATE, payload=b"other", payload_bytes=99)]))
    shown = files.with_payloads(found)

    assert records[1][1] != lines[1]
    assert [(each.payload, each.payload_bytes) for each in shown] == [
        (lines[1][:10], len(lines[1]))
    ]


def test_what_is_too_large_goes_as_blanks_and_its_letter_shows_the_line(tmp_path: Path) -> None:
    line = json_line(Event("a", START_MS, "x" * 200, [1.0, 2.0, 3.0]))
    path = tmp_path / "a.jsonl"
    path.write_bytes(line + b"\n" + json_line(make_events(n=1)[0]))
    config = backtest_config(input={"max_payload_bytes": 150, "dead_letter_payload_bytes": 20})

    files, records = on_topic(config, path)

    assert records[0][1] == b" " * 151
    (kept,) = files.letters([letter(0, Reason.OVERSIZED_PAYLOAD)])
    assert (kept.payload, kept.payload_bytes) == (line[:20], len(line))


def test_missing_features_that_are_allowed_are_null(tmp_path: Path) -> None:
    events = make_events(models=["a"], n=1)
    events[0].features[1] = float("nan")
    config = backtest_config(columns=columns(), input={"missing_features": "allow"})

    _, records = on_topic(config, write_parquet(tmp_path / "a.parquet", events))

    features = EventDecoder(columns_of(config)).decode(records[0][1]).features
    assert [value is None for value in features] == [False, True, False]


def test_exemplars_of_an_alert_find_back(tmp_path: Path) -> None:
    lines = [json_line(event) for event in make_events(models=["a"], n=3)]
    lines.insert(1, b"")
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    files, _ = on_topic(backtest_config(), path)
    example = Path("flink_jobs/records/schemas/examples/alert.v1.json").read_bytes()
    alert = msgspec.json.decode(example, type=Alert)
    exemplars = [msgspec.structs.replace(alert.exemplars[0], partition=0, offset=n) for n in (0, 2)]

    moved = files.alert(msgspec.structs.replace(alert, exemplars=exemplars))

    assert [(each.partition, each.offset) for each in moved.exemplars] == [(0, 0), (0, 3)]
    assert msgspec.structs.replace(moved, exemplars=exemplars) == msgspec.structs.replace(
        alert, exemplars=exemplars
    )


def test_reasons_are_known_of_more_letters_than_are_shown(tmp_path: Path) -> None:
    events = [Event("a", START_MS + n, f"e{n}", [np.inf, 0.0, 0.0]) for n in range(1_500)]
    config = backtest_config(columns=columns())

    files, _ = on_topic(config, write_parquet(tmp_path / "a.parquet", events))

    found = list(files.letters(letter(n, Reason.UNDECODABLE) for n in range(1_500)))
    assert {each.reason for each in found} == {Reason.NOT_FINITE}
    assert found[0].detail == "features[0] is missing, NaN or infinite"


def test_events_that_no_topic_can_hold_are_refused(tmp_path: Path) -> None:
    old = write_json_lines(tmp_path / "old.jsonl", [Event("a", -5, "e", [1.0, 2.0, 3.0])])
    large = write_parquet(tmp_path / "large.parquet", make_events(n=1))

    with pytest.raises(SourceError, match=r"old.jsonl:1 lies before 1970"):
        on_topic(backtest_config(), old)
    with pytest.raises(BacktestError, match=r"input.max_payload_bytes is 64: raise it"):
        on_topic(backtest_config(columns=columns(), input={"max_payload_bytes": 64}), large)
