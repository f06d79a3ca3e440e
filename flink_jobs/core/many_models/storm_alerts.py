"""Writes the alerts about storms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from flink_jobs.config.digests import config_version
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.memory import Storm
from flink_jobs.records.alerts import (
    MANY,
    Alert,
    AlertKind,
    Cause,
    Ending,
    ReferenceSummary,
    Shared,
    StormSummary,
    WindowSummary,
    record_id,
)
from flink_jobs.version import __version__

_MOST_SHARED = 20


class StormTeller:
    """Writes what a storm is about, and how large it is.

    Parameters
    ----------
    config : DriftJobConfig
        Of the job, with a table ``storm``.
    """

    def __init__(self, config: DriftJobConfig) -> None:
        assert config.storm is not None  # noqa: S101 - nothing is said of storms without the table
        self._most_named = config.storm.named_models
        self._job = config.job.name
        self._config_version = config_version(config)

    def alert(self, storm_id: str, storm: Storm, kind: AlertKind, at_ms: int) -> Alert:
        """Return the next alert of a storm."""
        summary = self._summary(storm)
        views = [each.name for each in summary.views]
        return Alert(
            alert_id=record_id("storm", kind, storm_id, storm.n_told, self._config_version),
            incident_id=storm_id,
            kind=kind,
            cause=Cause.STORM,
            ending=Ending.NORMAL if kind is AlertKind.RECOVERED else None,
            severity=storm.severity,
            n_suppressed=storm.n_suppressed,
            model=MANY,
            view=views[0] if len(views) == 1 else MANY,
            detector=MANY,
            window=WindowSummary(
                kind="time",
                start_ms=storm.first_ms,
                end_ms=storm.last_ms,
                closed_ms=at_ms,
                first_event=0,
                n_events=0,
                n_tested=0,
            ),
            reference=ReferenceSummary(n_events=0, fingerprint=""),
            reducer=MANY,
            test=MANY,
            storm=summary,
            job=self._job,
            job_version=__version__,
            config_version=self._config_version,
        )

    def _summary(self, storm: Storm) -> StormSummary:
        members = storm.members.values()
        (of_cause,) = {trait.cause for trait in storm.traits}
        return StormSummary(
            of_cause=of_cause,
            n_models=len(members),
            n_open=storm.n_open,
            models=list(islice(storm.members, self._most_named)),
            columns=_shared(name for each in members for name in each.columns if name),
            segments=_shared(name for each in members for name in each.segments),
            views=_shared(name for each in members for name in each.views),
            first_ms=storm.first_ms,
            last_ms=storm.last_ms,
        )


def _shared(names: Iterable[str]) -> list[Shared]:
    """Count names, which come once for each model that has them; the most frequent first."""
    found = sorted(Counter(names).items(), key=lambda each: (-each[1], each[0]))
    return [Shared(name=name, n_models=n) for name, n in found[:_MOST_SHARED]]
