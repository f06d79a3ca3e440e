"""The folder that a backtest writes its result to."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flink_jobs.histories.errors import BacktestError
from flink_jobs.replay.result import (
    ACCURACY_FILE,
    ALERTS_FILE,
    CONFIG_FILE,
    DEAD_LETTERS_FILE,
    EVIDENCE_FILE,
    SCORES_FILE,
    STATUSES_FILE,
    SUMMARY_FILE,
)

PARTS = ".parts-"
"""How the names of folders for unfinished work begin."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# In the order in which they are removed: a folder with a summary is complete, and one with a
# configuration is one of results.
_RESULT_FILES = (
    SUMMARY_FILE,
    SCORES_FILE,
    ALERTS_FILE,
    EVIDENCE_FILE,
    ACCURACY_FILE,
    DEAD_LETTERS_FILE,
    STATUSES_FILE,
    CONFIG_FILE,
)


@contextmanager
def fresh_folder(folder: Path | None) -> Iterator[Path]:
    """Make a folder for a result, without one in it, and let nobody else write there meanwhile.

    Raises
    ------
    BacktestError
        When it cannot be made, holds something else, or another backtest writes its result there;
        and when what is written meanwhile finds no room.
    """
    if folder is None:
        own = Path(tempfile.mkdtemp(prefix="loudly-backtest-"))
        with told_if_full(own):
            yield own
        return
    with written_by_one(folder), told_if_full(folder):
        _remove_result(folder)
        try:
            yield folder
        finally:
            # Whoever is ended just as a folder of parts is made has not entered it yet.
            for parts in folder.glob(f"{PARTS}*"):
                shutil.rmtree(parts, ignore_errors=True)


@contextmanager
def told_if_full(folder: Path) -> Iterator[None]:
    """Say plainly that a folder has no room for what is written inside.

    Raises
    ------
    BacktestError
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise BacktestError(
            f"{folder} has no room for the result ({error.strerror}): it is incomplete; make room "
            "or name another folder, and run the backtest again"
        ) from error


@contextmanager
def written_by_one(folder: Path) -> Iterator[None]:
    """Make a folder and hold it, so that one process alone writes to it.

    The system lets go of it when the process ends, however it ends: nothing is left behind.

    Raises
    ------
    BacktestError
        When it cannot be made, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BacktestError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        _lock(folder, handle)
        yield
    finally:
        os.close(handle)


def _lock(folder: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BacktestError(
            f"another backtest is writing to {folder}: wait until it has ended, or name another "
            "folder"
        ) from error


def _remove_result(folder: Path) -> None:
    try:
        there = sorted(path.name for path in folder.iterdir())
        # A backtest that was killed leaves its parts.
        others = [name for name in there if not name.startswith(PARTS)]
        if others and CONFIG_FILE not in others:
            raise BacktestError(
                f"{folder} holds something else ({others[0]}): name a folder of its own"
            )
        for name in set(there) - set(others):
            shutil.rmtree(folder / name)
        for name in _RESULT_FILES:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise BacktestError(f"{folder} cannot be written: {error.strerror}") from error
