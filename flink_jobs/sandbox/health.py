"""Looks after a running job, which Flink starts again and again without a word."""

from __future__ import annotations

import re
import time

from flink_jobs.cluster.errors import EmbeddedError, FlinkRestError
from flink_jobs.cluster.rest import ENDED
from flink_jobs.records.shown import shown
from flink_jobs.sandbox.parts import RunningJob

_EVERY_S = 3.0
_MOST_CHARACTERS = 500
_TRACEBACK = "Traceback (most recent call last):"
_PYTHON_ERROR = re.compile(r"[A-Za-z_]\w*(Error|Exception|Interrupt|Exit)\b")


class Health:
    """Tells what is wrong with a job, each thing once.

    Parameters
    ----------
    job : RunningJob
    """

    def __init__(self, job: RunningJob) -> None:
        self._job = job
        self._told: set[str] = set()
        self._next_s = 0.0
        self._page = f"{job.rest.url}/#/job/{job.job_id}/exceptions"

    def trouble(self) -> str:
        """Say why the job failed and was started again since the last look; empty when all is well.

        Raises
        ------
        EmbeddedError
            When the job has ended, or the cluster does not answer.
        """
        if time.monotonic() < self._next_s:
            return ""
        self._next_s = time.monotonic() + _EVERY_S
        job_id, rest = self._job.job_id, self._job.rest
        try:
            state, failures = rest.status(job_id), rest.exceptions(job_id)
        except FlinkRestError as error:
            raise EmbeddedError(f"the Flink cluster does not answer any more: {error}") from error
        reason = _reason(failures[0]) if failures else ""
        if state in ENDED:
            raise EmbeddedError(f"the job has ended as {state}{reason and f': {reason}'}")
        if not reason or reason in self._told:
            return ""
        self._told.add(reason)
        return f"The job failed, and Flink starts it again: {reason}. All of it: {self._page}"

    def event_time_ms(self) -> int | None:
        """Give the event time that the job has reached; None where that is not known."""
        try:
            return self._job.rest.event_time_ms(self._job.job_id)
        except FlinkRestError:
            return None


def _reason(failure: str) -> str:
    """Return the line that says what happened: of Python the last error, else Java's first line."""
    lines = failure.splitlines()
    errors = [line for line in lines if _PYTHON_ERROR.match(line)] if _TRACEBACK in failure else []
    return shown((errors or lines)[-1 if errors else 0], _MOST_CHARACTERS)
