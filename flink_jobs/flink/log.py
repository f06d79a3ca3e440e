"""The job's log for programs: one JSON object a line."""

from __future__ import annotations

import logging

import msgspec

from flink_jobs.core.notices import Notice
from flink_jobs.records.alerts import Alert
from flink_jobs.records.shown import shown_json
from flink_jobs.version import __version__


class JobLog:
    """Writes notices as JSON, with the job's name and version.

    Flink passes the message of a record on to the TaskManager's log and nothing else of it: what
    programs shall read has to be the message. It holds no payload and no configuration.

    Parameters
    ----------
    log : logging.Logger
    job : str

    Examples
    --------
    >>> import logging, sys
    >>> log = logging.Logger("example")
    >>> log.addHandler(logging.StreamHandler(sys.stdout))
    >>> JobLog(log, "loudly").notice(Notice(model="fraud", text="monitoring starts"))
    {"model":"fraud","text":"monitoring starts","job":"loudly","job_version":"..."}
    """

    def __init__(self, log: logging.Logger, job: str) -> None:
        self._log = log
        self._job = {"job": job, "job_version": __version__}

    def notice(self, notice: Notice) -> None:
        """Write one line."""
        fields = msgspec.to_builtins(notice) | self._job
        self._log.warning("%s", shown_json(msgspec.json.encode(fields).decode()))

    def alert(self, alert: Alert) -> None:
        """Write that an alert was raised; the alerts topic says the rest."""
        window, kind = alert.window, f"{alert.kind} ({alert.cause}, {alert.severity})"
        self.notice(
            Notice(
                model=alert.model,
                text=f"{kind}, incident {alert.incident_id}",
                detector=alert.detector,
                window_start_ms=window.start_ms,
                window_end_ms=window.end_ms,
            )
        )
