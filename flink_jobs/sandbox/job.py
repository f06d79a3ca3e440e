"""Changes to a configuration when its job runs in a sandbox."""

from __future__ import annotations

from msgspec.structs import replace

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.overrides import variants
from flink_jobs.config.own_events import as_own_events
from flink_jobs.config.tables.windows import SessionWindow, TimeWindow, WindowTable
from flink_jobs.config.views import views_of

_CONTROL_TOPIC = "drift-control"
_STATUS_TOPIC = "drift-status"
_EVIDENCE_TOPIC = "drift-evidence"
# Its writer takes records of 1 MB, whatever properties the configuration's own broker has.
_MOST_EVIDENCE_BYTES = 900_000
# The monitor's timer for the end of a window fires four panes after it.
_PANES_TO_THE_TIMER = 5


def sandbox_config(
    config: DriftJobConfig, bootstrap_servers: str, *, feeds_history: bool
) -> DriftJobConfig:
    """Describe the same job on a broker without passwords, with one worker.

    Commands are always taken, status records and evidence written, so that the page has its buttons
    and knows how each model is watched and what was tested. A history comes as events of ours,
    and the job sends no heartbeats: with the clock's time they would make a history late.

    Parameters
    ----------
    config : DriftJobConfig
    bootstrap_servers : str
    feeds_history : bool
        Whether the events are those of a history rather than of the user's own producer.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "kafka.example:9093", start = "latest"}
    ... job = {parallelism = 8}
    ... input = {n_outputs = 10}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> changed = sandbox_config(config, "127.0.0.1:4711", feeds_history=True)
    >>> changed.kafka.bootstrap_servers, changed.kafka.start, changed.job.parallelism
    ('127.0.0.1:4711', 'earliest', 1)
    """
    kafka = replace(
        config.kafka,
        bootstrap_servers=bootstrap_servers,
        control_topic=config.kafka.control_topic or _CONTROL_TOPIC,
        status_topic=config.kafka.status_topic or _STATUS_TOPIC,
        evidence_topic=config.kafka.evidence_topic or _EVIDENCE_TOPIC,
        start="earliest",
        bounded=False,
        properties={},
    )
    job = replace(config.job, parallelism=1, delivery="at_least_once")
    own = as_own_events(config) if feeds_history else config
    limits = replace(own.input, heartbeat_every_ms=0) if feeds_history else own.input
    largest = min(own.evidence.max_bytes, _MOST_EVIDENCE_BYTES)
    evidence = replace(own.evidence, max_bytes=largest)
    return replace(own, kafka=kafka, job=job, input=limits, evidence=evidence)


def closing_time_ms(config: DriftJobConfig, last_ms: int) -> int:
    """Give the time of a heartbeat that closes all windows with events up to ``last_ms``."""
    width_ms = config.panes.width_ms
    views = [view for variant in variants(config) for view in views_of(variant)]
    windows_ms = [_length_ms(each.window) for view in views for each in view.detectors]
    scores_ms = [each.table.score_every(width_ms) for view in views for each in view.sequential]
    longest_ms = max(windows_ms + scores_ms)
    panes_ms = _PANES_TO_THE_TIMER * config.panes.width_ms
    return last_ms + longest_ms + panes_ms + config.input.max_out_of_orderness_ms + 1


def _length_ms(window: WindowTable) -> int:
    match window:
        case TimeWindow():
            return window.size_ms
        case SessionWindow():
            return window.gap_ms
        case _:
            return 0
