"""What processes tell each other of what they have read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flink_jobs.histories.lines.shared_chunks import Exchange, Place
from tests.histories import orphan


def test_messages_come_in_the_order_of_the_chunks_and_whole(tmp_path: Path) -> None:
    exchanges = [Exchange(tmp_path, part, 3) for part in range(3)]
    places = [Place(0, 0), Place(0, 1), Place(0, 2), Place(0, 3), Place(1, 0)]
    for place in places:
        reader = next(each for each in exchanges if each.is_own(place))
        reader.publish(place, repr(place).encode())

    for exchange in exchanges:
        for place in places:
            if exchange.is_own(place):
                exchange.take_own(place)
            else:
                assert exchange.take(place) == repr(place).encode()


def test_the_first_chunks_of_files_go_round(tmp_path: Path) -> None:
    exchanges = [Exchange(tmp_path, part, 3) for part in range(3)]

    for file in range(7):
        owners = [each.part for each in exchanges if each.is_own(Place(file, 0))]
        assert owners == [file % 3]
        assert exchanges[owners[0]].first_chunk(file) == 0


def test_messages_that_all_have_taken_do_not_stay(tmp_path: Path) -> None:
    exchanges = [Exchange(tmp_path, part, 2) for part in range(2)]
    most = 0

    for number in range(50):
        place = Place(0, number)
        for exchange in exchanges:
            if exchange.is_own(place):
                exchange.publish(place, b"x")
        most = max(most, len(list(tmp_path.iterdir())))
        for exchange in exchanges:
            if exchange.is_own(place):
                exchange.take_own(place)
            else:
                exchange.take(place)

    assert most <= 6


def test_who_waits_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    # The waiting process holds the other end of the pipes until it has ended.
    done = subprocess.run(
        [sys.executable, "-m", orphan.__name__, str(tmp_path)], capture_output=True, timeout=60
    )

    assert done.returncode == orphan.STATUS
    assert not done.stderr
