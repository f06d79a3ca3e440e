"""Runs the parts of a backtest in processes of their own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import pyarrow as pa

from flink_jobs.backtest.errors import BacktestError
from flink_jobs.backtest.freed_memory import keep_freed_memory
from flink_jobs.backtest.part import Order, PartResult, run_part
from flink_jobs.one_thread import use_one_thread

_TELL_EVERY_S = 0.2
# Python's own 700 made half a million lines of JSON take a third longer.
_COLLECT_EVERY = 200_000
# Threads for each core would get in each other's way, and add up in another order.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Tell = Callable[[int, int, int], None]


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
        keep_freed_memory()
        with _few_collections(), use_one_thread():
            return [run_part(order, 0, 1, _seldom(lambda n_rows, done: tell(0, n_rows, done)))]
    context = multiprocessing.get_context("spawn")
    children: dict[Connection, BaseProcess] = {}
    try:
        with _one_thread():
            for part in range(n_parts):
                here, there = context.Pipe(duplex=False)
                child = context.Process(
                    target=_work, args=(order, part, n_parts, there), daemon=True
                )
                child.start()
                there.close()
                children[here] = child
        return _gather(children, tell)
    finally:
        for process in children.values():
            process.terminate()
        for process in children.values():
            process.join()


def _gather(children: dict[Connection, BaseProcess], tell: Tell) -> list[PartResult]:
    parts = {connection: part for part, connection in enumerate(children)}
    results: dict[int, PartResult] = {}
    while len(results) < len(parts):
        for connection in wait([c for c, part in parts.items() if part not in results]):
            assert isinstance(connection, Connection)  # noqa: S101 - nothing else is waited for
            part = parts[connection]
            try:
                message = connection.recv()
            except EOFError:
                children[connection].join()
                raise BacktestError(_last_words(children[connection].exitcode)) from None
            match message:
                case PartResult():
                    results[part] = message
                case BaseException():
                    raise message
                case (n_rows, done):
                    tell(part, n_rows, done)
    return [results[part] for part in range(len(parts))]


def _last_words(status: int | None) -> str:
    hints = {
        -9: ": most often the memory was full, try fewer processes",
        1: ': a script that runs backtests must do so below if __name__ == "__main__", since '
        "each process imports it again",
    }
    return f"a process of the backtest died with status {status}{hints.get(status or 0, '')}"


def _work(order: Order, part: int, n_parts: int, connection: Connection) -> None:
    pa.set_cpu_count(1)
    keep_freed_memory()
    sys.meta_path.insert(0, _WithoutPandas())
    tell = _seldom(lambda n_rows, done: connection.send((n_rows, done)))
    try:
        with _few_collections():
            result = run_part(order, part, n_parts, tell)
        connection.send(result)
    except KeyboardInterrupt:
        pass
    except BacktestError as error:
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
    """What is started inside uses one thread: see :mod:`flink_jobs.one_thread`."""
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
