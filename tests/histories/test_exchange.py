"""Batches that processes decode for each other: each once, in one order, and bounded on disk."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.histories import exchange
from flink_jobs.histories.batches import Misplaced
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.shards import Found, Head, read_shard, require_room, write_shard
from flink_jobs.records.dead_letters import Reason
from tests.histories import orphan

# The number of batches in each stretch of each file of each lane.
Lanes = list[list[list[int]]]


class Taken(NamedTuple):
    """A batch that came, by its place."""

    lane: int
    file: int
    stretch: int
    number: int


class Readers:
    """Lanes that say how often each batch was decoded, and how many shards lay on disk at most."""

    def __init__(
        self, lanes: Lanes, folder: Path, n_parts: int, *, is_divided: bool = True
    ) -> None:
        self._is_divided = is_divided
        self._lanes = lanes
        self._folder = folder
        self._n_parts = n_parts
        self.n_decoded = Counter[Taken]()
        self.by_part = Counter[int]()
        self.most_on_disk = 0
        self._lock = threading.Lock()

    def run(self, part: int, taking: Callable[[int], None] = lambda n: None) -> list[Taken]:
        """Take all batches, of all lanes in turn, as merged files are read."""
        own = Exchange(self._folder, part, self._n_parts)
        lanes = [self._batches(own, number, part) for number in range(len(self._lanes))]
        taken = list[Taken]()
        while lanes:
            for lane in list(lanes):
                batch = next(lane, None)
                if batch is None:
                    lanes.remove(lane)
                else:
                    taken.append(batch)
                    taking(len(taken))
        return taken

    def run_all(self) -> list[list[Taken]]:
        """Run all parts, each in a thread."""
        with ThreadPoolExecutor(self._n_parts) as pool:
            return [
                each.result()
                for each in [pool.submit(self.run, part) for part in range(self._n_parts)]
            ]

    def _batches(self, own: Exchange, number: int, part: int) -> Iterator[Taken]:
        def read(file: int, stretch: int) -> Iterator[Found]:
            stretches = files[file]
            for n in range(stretches[stretch]) if stretch < len(stretches) else ():
                is_last = n == stretches[stretch] - 1
                yield self._decoded(
                    Taken(number, file, stretch, n),
                    part,
                    ends_stretch=is_last,
                    ends_file=is_last and stretch == len(stretches) - 1,
                )

        files = self._lanes[number]
        names = [str(n) for n in range(len(files))]
        lane = own.lane(names, read, is_divided=self._is_divided)
        for file in range(len(files)):
            for found in lane.batches(file):
                yield Taken(*np.asarray(found.arrays["place"]).tolist())

    def _decoded(self, place: Taken, part: int, *, ends_stretch: bool, ends_file: bool) -> Found:
        with self._lock:
            self.n_decoded[place] += 1
            self.by_part[part] += 1
            n_there = len(list(self._folder.glob("*.arrow")))
            self.most_on_disk = max(self.most_on_disk, n_there)
        head = Head(ends_stretch=ends_stretch, ends_file=ends_file)
        return Found(head, {"place": np.array(place)})


_lanes = st.lists(
    st.lists(st.lists(st.integers(1, 7), min_size=1, max_size=5), min_size=1, max_size=3),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=30)
@given(lanes=_lanes, n_parts=st.integers(1, 4))
def test_each_batch_is_decoded_once_and_all_take_them_in_one_order(
    tmp_path_factory: pytest.TempPathFactory, lanes: Lanes, n_parts: int
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    readers = Readers(lanes, folder, n_parts)

    taken = readers.run_all()

    assert all(each == taken[0] for each in taken)
    for number, files in enumerate(lanes):
        own = [place for place in taken[0] if place.lane == number]
        assert own == [
            Taken(number, file, stretch, n)
            for file, stretches in enumerate(files)
            for stretch, n_batches in enumerate(stretches)
            for n in range(n_batches)
        ]
    assert readers.n_decoded == Counter(taken[0])


def test_shards_are_bounded_on_disk_and_do_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MOST_BYTES", 4_000)
    readers = Readers([[[2] * 150]], tmp_path, 3)

    readers.run_all()

    n_bytes = min(path.stat().st_size for path in tmp_path.glob("*.arrow"))
    assert 0 < readers.most_on_disk <= 3 * (4_000 // n_bytes + 2)
    # The last ones have nothing behind them with which their writer would look again.
    assert len(list(tmp_path.glob("*.arrow"))) <= 3 * (4_000 // n_bytes + 2)


def test_who_has_much_to_do_holds_nobody_up(tmp_path: Path) -> None:
    readers, is_done = Readers([[[3] * 20, [2] * 20]], tmp_path, 2), threading.Event()

    def rest(n_taken: int) -> None:
        if n_taken == 1:
            assert is_done.wait(60)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(readers.run, 0, rest)
        fast = readers.run(1)
        is_done.set()
        assert slow.result() == fast
    assert set(readers.n_decoded.values()) == {1}


@pytest.mark.parametrize("n_parts", [2, 3])
def test_a_lane_that_is_not_divided_has_one_reader(tmp_path: Path, n_parts: int) -> None:
    readers = Readers([[[2, 1]], [[5]], [[3, 3]], [[1]]], tmp_path, n_parts, is_divided=False)

    taken = readers.run_all()

    assert all(each == taken[0] for each in taken)
    assert dict(readers.by_part) == {
        part: sum([3, 5, 6, 1][part::n_parts]) for part in range(n_parts)
    }


def test_one_part_writes_nothing(tmp_path: Path) -> None:
    readers = Readers([[[2, 3], [1]]], tmp_path, 1)

    assert len(readers.run(0)) == 6
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_read_is_an_error_in_its_place(tmp_path: Path) -> None:
    def read(file: int, stretch: int) -> Iterator[Found]:
        if file == 0 and stretch == 0:
            yield Found(Head(ends_file=True))
        if file == 1:
            raise SourceError("b is damaged")

    lane = Exchange().lane(["a", "b"], read)

    assert len(list(lane.batches(0))) == 1
    with pytest.raises(SourceError, match="b is damaged"):
        list(lane.batches(1))


def test_a_shard_is_what_was_written(tmp_path: Path) -> None:
    table = pa.record_batch(
        {
            "plan": pa.array(["a", "b", None]).dictionary_encode(),
            "x": pa.array([[0.5], None, [1.5, 2.5]]),
            "id": pa.array([b"1", b"2", b"3"]),
        }
    )
    misplaced = Misplaced(0, 7, Reason.NO_TIME, "t is missing", b"{", "e")
    head = Head(models=["a"], misplaced=[misplaced], n_lines=9, version=(1, 2, 3))
    arrays = {
        "codes": np.array([0, -1], dtype=np.int32),
        "x": np.arange(5.0),
        "event_ids": pa.array(["e", "größer"]),
    }

    write_shard(tmp_path / "a.arrow", Found(head, arrays, table))
    found = read_shard(tmp_path / "a.arrow")

    assert found.head == Head(
        models=["a"], misplaced=[misplaced], n_lines=9, version=(1, 2, 3), has_table=True
    )
    assert found.table is not None
    assert found.table.equals(table)
    assert found.arrays["codes"].dtype == np.int32
    assert found.arrays["codes"].tolist() == [0, -1]
    assert found.arrays["x"].tolist() == arrays["x"].tolist()
    assert found.arrays["event_ids"].equals(arrays["event_ids"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.arrow"]


def test_a_dictionary_larger_than_its_rows_is_not_written(tmp_path: Path) -> None:
    names = pa.array([f"model-{n}" for n in range(50_000)]).dictionary_encode()
    few = pa.record_batch({"model": names}).slice(10, 3)

    write_shard(tmp_path / "a.arrow", Found(Head(), {}, few))

    found = read_shard(tmp_path / "a.arrow").table
    assert found is not None
    assert found.column("model").to_pylist() == ["model-10", "model-11", "model-12"]
    assert (tmp_path / "a.arrow").stat().st_size < 10_000


def test_a_shard_that_was_cut_is_an_error_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    table = pa.record_batch({"x": np.arange(200.0)})
    write_shard(path, Found(Head(models=["a"]), {"codes": np.zeros(200, dtype=np.int32)}, table))
    whole = path.read_bytes()

    # The last eight bytes say that no other batch follows, as the end of the file does.
    for n_bytes in range(0, len(whole) - 8, 8):
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(BacktestError, match="cut off or damaged"):
            read_shard(path)
    path.write_bytes(whole)
    assert read_shard(path).table is not None


def test_a_folder_without_room_is_refused_with_what_to_do(tmp_path: Path) -> None:
    wanted = "keep up to 1,000,000,000,000 MB of decoded rows in .*new.*: make room"
    with pytest.raises(BacktestError, match=wanted):
        require_room(tmp_path / "new" / "folder", 10**18)

    require_room(tmp_path / "new" / "folder", 1_000)
    require_room(None, 0)


def test_who_waits_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    # The waiting process holds the other end of the pipes until it has ended.
    done = subprocess.run(
        [sys.executable, "-m", orphan.__name__, str(tmp_path)], capture_output=True, timeout=60
    )

    assert done.returncode == orphan.STATUS
    assert not done.stderr
