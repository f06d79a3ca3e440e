"""Runs backtests, and the parts of one, in processes of their own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.abc import MetaPathFinder
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from flink_jobs.config.tables.base import ConfigError
from flink_jobs.histories.errors import BacktestError
from flink_jobs.one_thread import use_one_thread
from flink_jobs.replay.worker import Order, PartResult, run_part

_TELL_EVERY_S = 0.2
# Several times what a batch takes.
_LARGE_BYTES = 8 << 20
# Python's own 700 made half a million lines of JSON take a third longer.
_COLLECT_EVERY = 200_000
# Threads for each core would get in each other's way, and add up in another order.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Result = TypeVar("Result")
Tell = Callable[[int, int, int], None]
TellOwn = Callable[[int, int], None]


def run_parts(order: Order, n_parts: int, tell: Tell) -> list[PartResult]:
    """Run all parts, in this process if there is one.

    Parameters
    ----------
    order : Order
    n_parts : int
    tell : callable
        Told part, rows read and how much of the source, now and then.

    Raises
    ------
    BacktestError
        What a part raised, or that its process died.
    """
    if n_parts == 1:
        _keep_freed_memory()
        with _few_collections(), use_one_thread():
            return [run_part(order, 0, 1, _seldom(partial(tell, 0)))]
    return run_tasks([partial(run_part, order, part, n_parts) for part in range(n_parts)], tell)


def run_tasks(
    tasks: Sequence[Callable[[TellOwn], Result]], tell: Tell, *, at_once: int | None = None
) -> list[Result]:
    """Run each task in a process of its own, and return their results in the order of the tasks.

    Parameters
    ----------
    tasks : sequence of callable
        Pickled, as their results are. Called with a function that takes two numbers to tell.
    tell : callable
        Told the place of a task and the two numbers, now and then.
    at_once : int, optional
        How many tasks run at a time; all of them if left out.

    Raises
    ------
    BacktestError, ConfigError
        What a task raised, or that its process died. The others are ended then.
    """
    waiting, results = list(enumerate(tasks)), dict[int, Result]()
    children: dict[Connection, _Child] = {}
    try:
        while waiting or children:
            while waiting and len(children) < (at_once or len(tasks)):
                _start(children, *waiting.pop(0))
            for place, message in _received(children):
                match message:
                    case _Done(result):
                        results[place] = result
                    case (int(n_rows), int(done)):
                        tell(place, n_rows, done)
    finally:
        _end(children)
    return [results[place] for place in range(len(tasks))]


class _Child(NamedTuple):
    place: int
    process: BaseProcess


@dataclass(frozen=True)
class _Done:
    result: Any


def _start(
    children: dict[Connection, _Child], place: int, task: Callable[[TellOwn], object]
) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, there), daemon=True)
    with _one_thread():
        process.start()
    there.close()
    children[here] = _Child(place, process)


def _received(children: dict[Connection, _Child]) -> Iterator[tuple[int, object]]:
    """Wait for results of tasks; raise one that is an error, and let finished processes go."""
    for connection in wait(list(children)):
        assert isinstance(connection, Connection)  # noqa: S101 - nothing else is waited for
        place, process = children[connection]
        try:
            message = connection.recv()
        except EOFError:
            process.join()
            raise BacktestError(_last_words(process.exitcode)) from None
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, _Done):
            process.join()
            children.pop(connection)
            connection.close()
        yield place, message


def _end(children: dict[Connection, _Child]) -> None:
    for _, process in children.values():
        process.terminate()
    for _, process in children.values():
        process.join()


def _last_words(status: int | None) -> str:
    hints = {
        -9: ": most often the memory was full, try fewer processes",
        -7: ": a file that it had mapped was cut off; nothing else may write to the history or to "
        "the folder of the result meanwhile",
        1: ': a script that runs backtests must do so below if __name__ == "__main__", since '
        "each process imports it again",
    }
    return f"a process of the backtest died with status {status}{hints.get(status or 0, '')}"


def _work(task: Callable[[TellOwn], object], connection: Connection) -> None:
    pa.set_cpu_count(1)
    _keep_freed_memory()
    sys.meta_path.insert(0, _WithoutPandas())
    tell = _seldom(lambda n_rows, done: connection.send((n_rows, done)))
    try:
        with _few_collections():
            result = task(tell)
        connection.send(_Done(result))
    except KeyboardInterrupt:
        pass
    except (BacktestError, ConfigError) as error:
        connection.send(error)
    except Exception:
        # Not every error can be sent to another process; its text can.
        connection.send(
            RuntimeError(f"a process of the backtest failed:\n{traceback.format_exc()}")
        )
    finally:
        connection.close()


def _seldom(tell: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Tell at most five times a second."""
    next_s = 0.0

    def tell_seldom(n_rows: int, done: int) -> None:
        nonlocal next_s
        now_s = time.monotonic()
        if now_s >= next_s:
            next_s = now_s + _TELL_EVERY_S
            tell(n_rows, done)

    return tell_seldom


class _WithoutPandas(MetaPathFinder):
    """Keeps PyArrow from importing pandas for its first array: 0.3 s of each process."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("no process of a backtest needs pandas")


@contextmanager
def _few_collections() -> Iterator[None]:
    """Look for cycles seldom: events make none, and a batch of them is more than is kept."""
    thresholds = gc.get_threshold()
    gc.set_threshold(_COLLECT_EVERY, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes started inside use one thread: see :mod:`flink_jobs.one_thread`."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _keep_freed_memory() -> None:
    """Use freed memory again instead of giving it back to the system and getting it cleared.

    glibc maps each block above a threshold by itself. Freeing one raises the threshold to its size,
    up to 32 MiB: mallopt(3), ``M_MMAP_THRESHOLD``. A batch then takes half the page faults.
    """
    np.empty(_LARGE_BYTES, dtype=np.uint8)
