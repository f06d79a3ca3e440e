"""The few questions and orders that Loudly has for Flink's REST interface."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flink_jobs.cluster.errors import FlinkRestError

_POLL_S = 0.2
# The smallest number of Java, with which Flink's tasks begin.
_NO_WATERMARK = -(2**63)
ENDED = frozenset({"FINISHED", "CANCELED", "FAILED"})
"""States of jobs that are over."""


class FlinkRest:
    """A small client for one Flink cluster.

    Parameters
    ----------
    url : str
        For example ``http://127.0.0.1:8081``.
    timeout_s : float, default 10
        For one request.

    Attributes
    ----------
    url : str

    Raises
    ------
    FlinkRestError
        From every method, when the cluster does not answer or answers with an error.

    Examples
    --------
    >>> FlinkRest("http://127.0.0.1:1").jobs()
    Traceback (most recent call last):
        ...
    flink_jobs.cluster.errors.FlinkRestError: GET http://127.0.0.1:1/v1/jobs/overview: \
[Errno 111] Connection refused
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"not an address of a Flink cluster: {url!r}")
        self.url = url.rstrip("/")
        self._base = self.url + "/v1"
        self._timeout_s = timeout_s

    def overview(self) -> dict[str, Any]:
        """Task managers, slots and job counts of the cluster."""
        return dict(self._get("/overview"))

    def task_managers(self) -> list[dict[str, Any]]:
        """The registered TaskManagers: ``id``, ``slotsNumber``, ``freeSlots`` and more."""
        return list(self._get("/taskmanagers")["taskmanagers"])

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs the cluster knows: ``jid``, ``name``, ``state`` and more."""
        return list(self._get("/jobs/overview")["jobs"])

    def job(self, job_id: str) -> dict[str, Any]:
        """One job with its vertices."""
        return dict(self._get(f"/jobs/{job_id}"))

    def status(self, job_id: str) -> str:
        """The state of a job, for example ``RUNNING`` or ``FINISHED``."""
        return str(self.job(job_id)["state"])

    def exceptions(self, job_id: str) -> list[str]:
        """Stack traces of a job's failures, newest first."""
        history = self._get(f"/jobs/{job_id}/exceptions")["exceptionHistory"]
        return [str(entry["stacktrace"]) for entry in history["entries"]]

    def event_time_ms(self, job_id: str) -> int | None:
        """Give the event time that has come to the last task of a job; None before there is one.

        Tasks with two inputs of which one is idle name none, and Flink lists what comes last last.
        """
        last = self.job(job_id)["vertices"][-1]["id"]
        found = self._get(f"/jobs/{job_id}/vertices/{last}/watermarks")
        reached_ms = min((int(each["value"]) for each in found), default=_NO_WATERMARK)
        return reached_ms if reached_ms > _NO_WATERMARK else None

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        """Counts, latest checkpoints and summary of a job."""
        return dict(self._get(f"/jobs/{job_id}/checkpoints"))

    def vertex_metrics(
        self, job_id: str, vertex_id: str, names: list[str] | None = None
    ) -> dict[str, str]:
        """Values of a vertex's metrics by name; the names alone, with no values, without names."""
        query = "?get=" + ",".join(names) if names else ""
        found = self._get(f"/jobs/{job_id}/vertices/{vertex_id}/metrics{query}")
        return {str(metric["id"]): str(metric.get("value", "")) for metric in found}

    def wait_running(self, job_id: str, *, timeout_s: float = 120.0) -> None:
        """Wait until every task of a job runs.

        Raises
        ------
        FlinkRestError
            When the job ends or the time is over first.
        """

        def all_run() -> bool:
            job = self.job(job_id)
            self._refuse_end(job, "RUNNING")
            return all(vertex["status"] == "RUNNING" for vertex in job["vertices"])

        self._wait(all_run, f"job {job_id} does not run", timeout_s)

    def wait_for(self, job_id: str, state: str, *, timeout_s: float = 120.0) -> None:
        """Wait until a job is in a state, for example ``FINISHED``.

        Raises
        ------
        FlinkRestError
            When the job ends in another state or the time is over first.
        """

        def reached() -> bool:
            job = self.job(job_id)
            if job["state"] == state:
                return True
            self._refuse_end(job, state)
            return False

        self._wait(reached, f"job {job_id} is not {state}", timeout_s)

    def wait_for_checkpoint(self, job_id: str, *, timeout_s: float = 60.0) -> str:
        """Wait for one more completed checkpoint and return its path."""
        before = self.checkpoints(job_id)["counts"]["completed"]

        def one_more() -> bool:
            return bool(self.checkpoints(job_id)["counts"]["completed"] > before)

        self._wait(one_more, f"job {job_id} completes no checkpoint", timeout_s)
        return str(self.checkpoints(job_id)["latest"]["completed"]["external_path"])

    def cancel(self, job_id: str, *, timeout_s: float = 60.0) -> None:
        """Cancel a job and wait until it is gone."""
        self._request("PATCH", f"/jobs/{job_id}?mode=cancel")
        self.wait_for(job_id, "CANCELED", timeout_s=timeout_s)

    def stop_with_savepoint(
        self, job_id: str, directory: Path | str, *, timeout_s: float = 120.0
    ) -> str:
        """Stop a job with a savepoint under ``directory`` and return the savepoint's path."""
        order = {"targetDirectory": _as_uri(directory), "drain": False}
        trigger = self._request("POST", f"/jobs/{job_id}/stop", order)["request-id"]
        path = f"/jobs/{job_id}/savepoints/{trigger}"

        def completed() -> bool:
            return bool(self._get(path)["status"]["id"] == "COMPLETED")

        self._wait(completed, f"no savepoint of job {job_id}", timeout_s)
        operation = self._get(path)["operation"]
        if "location" not in operation:
            cause = operation.get("failure-cause", {}).get("stack-trace", "no reason given")
            raise FlinkRestError(f"no savepoint of job {job_id}: {cause}")
        self.wait_for(job_id, "FINISHED", timeout_s=timeout_s)
        return str(operation["location"])

    def _refuse_end(self, job: Mapping[str, Any], wanted: str) -> None:
        if job["state"] not in ENDED:
            return
        reasons = self.exceptions(job["jid"])
        raise FlinkRestError(
            f"job {job['jid']} is {job['state']}, not {wanted}: "
            + (reasons[0] if reasons else "no exception reported")
        )

    def _wait(self, reached: Callable[[], bool], what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not reached():
            if time.monotonic() > deadline:
                raise FlinkRestError(f"{what} after {timeout_s:g} s")
            time.sleep(_POLL_S)

    def _get(self, path: str) -> Any:
        return self._request("GET", path)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        url = self._base + path
        request = urllib.request.Request(  # noqa: S310 - __init__ takes http and https alone
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise FlinkRestError(f"{method} {url}: {error.code} {_reason(error)}") from error
        except OSError as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise FlinkRestError(f"{method} {url}: {reason}") from error
        return json.loads(text) if text else {}


def _reason(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        # Flink appends a Java stack trace to the first line.
        return "; ".join(each.splitlines()[0] for each in json.loads(text)["errors"] if each)
    except (ValueError, KeyError, TypeError):
        return text or str(error.reason)


def _as_uri(directory: Path | str) -> str:
    return directory.resolve().as_uri() if isinstance(directory, Path) else directory
