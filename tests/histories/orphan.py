"""A program whose child waits for another process when the program ends without a word."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from flink_jobs.histories.lines.shared_chunks import Exchange, Place

STATUS = 7


def main() -> None:
    """Argument: the folder of the exchange."""
    here, there = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    context.Process(target=_wait, args=(Path(sys.argv[1]), there)).start()
    here.recv()
    os._exit(STATUS)


def _wait(folder: Path, ready: Connection) -> None:
    ready.send(None)
    Exchange(folder, 0, 2).take(Place(0, 1))


if __name__ == "__main__":
    main()
