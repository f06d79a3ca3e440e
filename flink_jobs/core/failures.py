"""Errors of detector code, which concern one model and stop no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from traceback import extract_tb

from flink_jobs.records.shown import shown

_LONGEST_MESSAGE = 300
# Addresses differ from run to run, and records are the same in a replay.
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


class DetectorFailedError(Exception):
    """An error in the code of a detector.

    Its message is fit for records: the class of the error and what it says, bounded and printable.

    Attributes
    ----------
    where : str
        File, line and function of the error, for the log; empty where it is not known any more.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.where = where


@contextmanager
def detector_code() -> Iterator[None]:
    """Run the code of a detector: whatever it raises becomes a :class:`DetectorFailedError`.

    Only calls into ``detectors`` belong into it, so that an error of the monitor stays loud.

    Raises
    ------
    DetectorFailedError

    Examples
    --------
    >>> with detector_code():
    ...     [1.0][1]
    Traceback (most recent call last):
    flink_jobs.core.failures.DetectorFailedError: IndexError: list index out of range
    """
    try:
        yield
    except Exception as error:
        raise failure_of(error) from error


def failure_of(error: Exception) -> DetectorFailedError:
    """Return the error of a detector as the monitor knows it."""
    frame = extract_tb(error.__traceback__)[-1]
    where = f"at {PurePath(frame.filename).name}:{frame.lineno} in {frame.name}"
    return DetectorFailedError(reason_of(error), where)


def reason_of(error: Exception) -> str:
    r"""Say what went wrong, in at most 300 printable characters and the name of the error's class.

    Examples
    --------
    >>> reason_of(MemoryError("Unable to allocate 16. GiB"))
    'MemoryError: Unable to allocate 16. GiB'
    >>> print(reason_of(ValueError("odd \x1b[2J and <object at 0x7f3a5c0d2e80>")))
    ValueError: odd \x1b[2J and <object at 0x...>
    >>> reason_of(ZeroDivisionError())
    'ZeroDivisionError'
    """
    name, message = type(error).__name__, printable(str(error))
    return f"{name}: {message}" if message else name


def printable(text: str) -> str:
    """Return what may be shown of a text: no addresses, at most 300 characters, escapes."""
    return shown(_ADDRESS.sub("0x...", text[: 2 * _LONGEST_MESSAGE]), _LONGEST_MESSAGE)
