"""Dead letters for records that are refused before they reach a pane."""

from __future__ import annotations

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import DeadLetter, Reason, dead_letter

_DETAILS = {
    Reason.MISSING_KEY: "the record has no key; key events by model id",
    Reason.MISSING_PAYLOAD: "the record has no value",
    Reason.OVERSIZED_PAYLOAD: "{size} bytes, at most {input.max_payload_bytes} are allowed",
    Reason.FAR_FUTURE: "the timestamp is more than {input.max_future_ms} ms ahead of the clock",
    Reason.LATE: "the pane was closed; events may be {input.max_out_of_orderness_ms} ms late",
    Reason.PANE_FULL: "{panes.max_raw_events} events of its pane came before it",
}


def refusal_of(config: DriftJobConfig, reason: Reason, n_bytes: int = 0) -> UnusableEventError:
    """Say why a record reaches no pane.

    Parameters
    ----------
    config : DriftJobConfig
    reason : Reason
    n_bytes : int
        The size of its value.
    """
    detail = _DETAILS[reason].format(size=n_bytes, input=config.input, panes=config.panes)
    return UnusableEventError(reason, detail)


def refusal(
    config: DriftJobConfig,
    reason: Reason,
    *,
    detail: str | None = None,
    model: str | None,
    payload: bytes | None,
    partition: int,
    offset: int,
    event_time_ms: int,
) -> DeadLetter:
    """Describe why a record reaches no pane, as a dead letter.

    ``detail`` is for reasons that say where something was looked for.
    """
    if reason in _DETAILS:
        detail = refusal_of(config, reason, 0 if payload is None else len(payload)).detail
    return dead_letter(
        reason,
        detail or "",
        model=model or None,
        partition=partition,
        offset=offset,
        event_time_ms=event_time_ms,
        payload=payload,
        most_payload_bytes=config.input.dead_letter_payload_bytes,
    )
