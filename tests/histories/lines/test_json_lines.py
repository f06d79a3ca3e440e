"""JSON lines that several processes read for each other give what one makes of them."""

from __future__ import annotations

import gzip
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.artefacts import Artefacts
from flink_jobs.histories import exchange
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.input_files import find_files
from flink_jobs.histories.known_drifts.shift_table import NoiseShift, Shift
from flink_jobs.histories.lines.chunks import LONGEST_LINE
from flink_jobs.histories.lines.decoder import LineDecoder
from flink_jobs.histories.lines.json_lines import JsonLines
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.processes import run_parts
from flink_jobs.replay.result import MOST_DEAD_LETTERS
from flink_jobs.replay.sorted_records import merge
from flink_jobs.replay.worker import Order, PartResult, run_part
from tests.histories.examples import START_MS, backtest_config, json_line, make_events

_HORIZON_MS = START_MS + 10**10

CONFIGS: dict[str, DriftJobConfig] = {
    "as the job has them": backtest_config(),
    "missing features": backtest_config(input={"missing_features": "allow"}),
    "small payloads": backtest_config(
        input={"max_payload_bytes": 204, "dead_letter_payload_bytes": 40}
    ),
    "full panes": backtest_config(panes={"max_raw_events": 3}),
    "other keys": backtest_config(columns={"event_id": "", "features": ["f0", "f1", "f2"]}),
    "one model": backtest_config(columns={"model_name": "all"}),
    "a key twice": backtest_config(columns={"model": "event_id"}),
    "models that differ": backtest_config(
        overrides=[{"models": "b", "input": {"n_features": 2}}],
    ),
}


class Replayed(NamedTuple):
    """All that a result is made of."""

    alerts: bytes
    scores: bytes
    dead_letters: list[bytes]
    n_by_reason: dict[str, int]
    models: dict[str, Any]
    n_read: set[int]
    span: tuple[int, int, int]


class _Parent:
    """Of threads, as a process has one: where a part fails, the others wait for it no longer."""

    def __init__(self) -> None:
        self.has_seen_failure = False

    def is_alive(self) -> bool:
        return not self.has_seen_failure


def run_in_threads(order: Order, n_parts: int) -> list[PartResult]:
    """What processes do, without the seconds in which they start."""
    parent = _Parent()

    def run(part: int) -> PartResult:
        try:
            # As processes do, each has an order of its own.
            own = pickle.loads(pickle.dumps(order))
            return run_part(own, part, n_parts, lambda *_: None)
        except Exception:
            parent.has_seen_failure = True
            raise

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(n_parts) as pool:
        patch.setattr(exchange, "parent_process", lambda: parent)
        futures = [pool.submit(run, part) for part in range(n_parts)]
        errors = [error for each in futures if isinstance(error := each.exception(), Exception)]
        if errors:
            raise errors[0]
        return [each.result() for each in futures]


def run_in_processes(order: Order, n_parts: int) -> list[PartResult]:
    return run_parts(order, n_parts, lambda *_: None)


def replay(
    path: Path,
    config: DriftJobConfig,
    folder: Path,
    n_parts: int,
    *,
    chunk_bytes: int = 3_000,
    shifts: tuple[Shift, ...] = (),
    run: Callable[[Order, int], list[PartResult]] = run_in_threads,
) -> Replayed:
    folder.mkdir()
    source = JsonLines(find_files(path), LineDecoder(config), chunk_bytes=chunk_bytes)
    order = Order(config, source, folder, Artefacts(), _HORIZON_MS, shifts)
    parts = run(order, n_parts)
    merge([segment for part in parts for segment in part.alerts], folder / "alerts")
    merge([segment for part in parts for segment in part.scores], folder / "scores")
    letters = sorted(
        (letter for part in parts for letter in part.dead_letters),
        key=lambda letter: (letter.partition, letter.offset),
    )
    reasons: dict[str, int] = {}
    for part in parts:
        for reason, n in part.n_by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + n
    return Replayed(
        (folder / "alerts").read_bytes(),
        (folder / "scores").read_bytes(),
        [msgspec.json.encode(letter) for letter in letters[:MOST_DEAD_LETTERS]],
        reasons,
        {name: model for part in parts for name, model in part.models.items()},
        {part.n_read for part in parts},
        (
            min(part.start_ms for part in parts),
            max(part.end_ms for part in parts),
            sum(part.n_heartbeats for part in parts),
        ),
    )


def faulty_lines() -> list[bytes]:
    """Lines of three models in order of time, every eleventh with a fault."""
    rng = np.random.default_rng(5)
    lines = []
    for index, event in enumerate(make_events(n=400)):
        line = json_line(event, f0=event.features[0], f1=event.features[1], f2=0.5)
        lines.append(FAULTS[int(rng.integers(len(FAULTS)))](line) if index % 11 == 5 else line)
    return lines


FAULTS: list[Callable[[bytes], bytes]] = [
    lambda line: line[:-9],
    lambda line: b"",
    lambda line: b"   \r",
    lambda line: b"[1,2]",
    lambda line: b"{}",
    lambda line: b"\xff\xfe",
    lambda line: line + b"\r",
    lambda line: line + b" {}",
    lambda line: line.replace(b'"features":[', b'"features":[NaN,'),
    lambda line: line.replace(b'"features":[', b'"features":[null,'),
    lambda line: line.replace(b'"features":[', b'"features":[1.0,'),
    lambda line: line.replace(b'"features":[', b'"features":[1e200,1,2],"x":['),
    lambda line: line.replace(b'"features":[', b'"features":[null,1,2],"x":['),
    lambda line: line.replace(b'"features":[', b'"features":[1,2],"x":['),
    lambda line: line.replace(b'"schema_version":1', b'"schema_version":2'),
    lambda line: line.replace(b'"schema_version":1', b'"schema_version":true'),
    lambda line: line.replace(b'"event_id":', b'"event_id":"","x":'),
    lambda line: line.replace(b'"event_id":"', b'"event_id":"\\ud800'),
    lambda line: line.replace(b'"event_id":"', b'"event_id":"' + b"e" * 60),
    lambda line: line.replace(b'"model":', b'"model":null,"x":'),
    lambda line: line.replace(b'"model":', b'"model":7,"x":'),
    lambda line: line.replace(b'"model":', b'"model":"\\ud800","x":'),
    lambda line: line.replace(b'"model":', b'"model":"","x":'),
    lambda line: line.replace(b'"model":', b'"model":"new","x":'),
    lambda line: line.replace(b'"model":', b'"model":"__loudly_heartbeat__","x":'),
    lambda line: line.replace(b'"time_ms":', b'"time_ms":"soon","x":'),
    lambda line: line.replace(b'"time_ms":', b'"time_ms":1,"x":'),
    lambda line: line.replace(b'"time_ms":', b'"time_ms":1e12,"x":'),
    lambda line: line.replace(b'"time_ms":', b'"time_ms":9' + b"0" * 30 + b',"x":'),
    lambda line: line.replace(b'"time_ms":', b'"time_ms":"2026-01-01T00:00:09Z","x":'),
    lambda line: line.replace(b'"time_ms":', b'"time_ms":4102444800000,"x":'),
]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as they come: packed, empty, shorter than a chunk, without an end of the last line."""
    folder = tmp_path_factory.mktemp("history")
    lines = faulty_lines()
    (folder / "1.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines[:500]))
    (folder / "2.jsonl").write_bytes(b"")
    (folder / "3.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines[500:900]) + b"\n"))
    (folder / "4.jsonl").write_bytes(b"\n".join(lines[900:903]) + b"\n")
    (folder / "5.jsonl").write_bytes(b"\n".join(lines[903:]) + b"\n")
    return folder


@pytest.mark.parametrize("name", CONFIGS)
def test_any_number_of_readers_finds_what_one_finds(
    history: Path, tmp_path: Path, name: str
) -> None:
    config = CONFIGS[name]

    alone = replay(history, config, tmp_path / "1", 1)
    two, three = (replay(history, config, tmp_path / str(n), n) for n in (2, 3))

    assert two == alone
    assert three == alone
    assert len(alone.n_read) == 1
    assert len(alone.n_by_reason) > 2


def test_processes_find_what_one_finds(history: Path, tmp_path: Path) -> None:
    config = CONFIGS["as the job has them"]

    alone = replay(history, config, tmp_path / "1", 1)
    found = replay(history, config, tmp_path / "3", 3, run=run_in_processes)

    assert found == alone


def test_how_a_file_is_cut_into_chunks_changes_nothing(history: Path, tmp_path: Path) -> None:
    config = CONFIGS["as the job has them"]
    whole, small = (
        replay(history, config, tmp_path / str(n), 1, chunk_bytes=n) for n in (1 << 20, 100)
    )

    assert small.dead_letters == whole.dead_letters
    assert small.scores == whole.scores
    assert small.alerts == whole.alerts


def test_shifts_by_class_are_the_same_in_any_number_of_processes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [json_line(e, y=n % 3) for n, e in enumerate(make_events(n=200))]
    path.write_bytes(b"\n".join(lines))
    config = backtest_config(columns={"label": "y"})
    shift = NoiseShift(start_ms=START_MS + 2_000, end_ms=START_MS + 6_000, intensity=2.0)

    results = [
        replay(path, config, tmp_path / str(n), n, shifts=(shift,), chunk_bytes=900) for n in (1, 3)
    ]

    assert results[0] == results[1]
    assert results[0].scores


def test_two_objects_in_a_line_do_not_stand_for_an_empty_one(tmp_path: Path) -> None:
    lines = [json_line(event) for event in make_events(n=200)]
    lines[4:6] = [lines[4] + lines[5], b""]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))

    result = run_backtest(backtest_config(), path, processes=1)

    assert [(d.where.rpartition(":")[2], d.reason.value) for d in result.dead_letters()] == [
        ("5", "undecodable")
    ]


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_damaged_file_is_named_by_any_number_of_processes(tmp_path: Path, n_parts: int) -> None:
    lines = b"\n".join(json_line(event) for event in make_events(n=300))
    history = tmp_path / "history"
    history.mkdir()
    (history / "1.jsonl").write_bytes(lines)
    (history / "2.jsonl.gz").write_bytes(gzip.compress(lines)[:-100])
    (history / "3.jsonl.gz").write_bytes(b"no such thing")

    with pytest.raises(SourceError, match=r"2\.jsonl\.gz is damaged or not complete"):
        replay(history, backtest_config(), tmp_path / "r", n_parts, run=run_in_processes)


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_line_that_is_too_long_is_named_by_its_number(tmp_path: Path, n_parts: int) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b"\n".join(json_line(event) for event in make_events(n=10)) + b"\n")
        file.truncate(LONGEST_LINE + 10_000)

    with pytest.raises(SourceError, match=r"a\.jsonl:31 is longer than 64 MB"):
        replay(
            path,
            backtest_config(),
            tmp_path / "r",
            n_parts,
            chunk_bytes=1 << 20,
            run=run_in_processes,
        )


def test_a_process_that_dies_leaves_none_waiting(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(json_line(event) for event in make_events(n=4_000)))

    def kill_one(part: int, n_rows: int, done: int) -> None:
        """When one process tells that it has read something, both still have much to read."""
        for child in sorted(multiprocessing.active_children(), key=lambda child: child.pid or 0):
            child.kill()
            break

    def run(order: Order, n_parts: int) -> list[PartResult]:
        return run_parts(order, n_parts, kill_one)

    with pytest.raises(BacktestError, match="died with status -9"):
        replay(path, backtest_config(), tmp_path / "r", 2, chunk_bytes=500, run=run)

    assert not multiprocessing.active_children()
