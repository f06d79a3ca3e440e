"""A program whose child waits for another process when the program ends without a word."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from flink_jobs.histories.exchange import Exchange
from flink_jobs.histories.shards import Found

STATUS = 7


def main() -> None:
    """Argument: the folder of the exchange."""
    here, there = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    context.Process(target=_wait, args=(Path(sys.argv[1]), there)).start()
    here.recv()
    os._exit(STATUS)


def _wait(folder: Path, ready: Connection) -> None:
    lane = Exchange(folder, 1, 2).lane(["a"], _nothing, is_divided=False)
    ready.send(None)
    next(lane.batches(0))


def _nothing(file: int, stretch: int) -> Iterator[Found]:
    yield from ()


if __name__ == "__main__":
    main()
