"""Records of many models, as a job would write them."""

from __future__ import annotations

from typing import Any

import msgspec
from kafka import KafkaProducer

from flink_jobs.records.alerts import Alert, Score, ScoreStatus, ThresholdSummary, encode_record
from flink_jobs.records.control import Audit, encode_audit
from flink_jobs.records.evidence import Evidence, encode_evidence
from flink_jobs.records.schemas import read_example
from flink_jobs.records.status import ModelStatus, encode_status
from tests.records.examples import make_alert, make_score

BEGIN_MS = 1_767_225_600_000
WINDOW_MS = 60_000
THRESHOLD = 0.08


def _watcher(changes: dict[str, Any]) -> str:
    """Name view and detector: scores of two views of a model are not one."""
    view, detector = changes.get("view", "main"), changes.get("detector", "main")
    return str(detector) if view == "main" else f"{view}/{detector}"


def score(model: str, place: int, statistic: float | None = 0.04, **changes: Any) -> Score:
    """The score of a model's window number ``place``."""
    start_ms = BEGIN_MS + place * WINDOW_MS
    example = make_score()
    end_ms = start_ms + WINDOW_MS
    window = msgspec.structs.replace(
        example.window,
        start_ms=start_ms,
        end_ms=end_ms,
        closed_ms=end_ms,
        first_event=place * 500,
    )
    given: dict[str, Any] = {
        "score_id": f"{model}/{_watcher(changes)}/{place}",
        "model": model,
        "window": window,
        "statistic": statistic,
        "threshold": ThresholdSummary(p_value=0.001, statistic=THRESHOLD),
        "effect_size": statistic,
        "is_drift": None if statistic is None else statistic >= THRESHOLD,
    }
    return msgspec.structs.replace(example, **(given | changes))


def alert(model: str, place: int, variant: str = "", **changes: Any) -> Alert:
    """An alert at the end of a model's window number ``place``; a started one by default."""
    example = make_alert(variant)
    start_ms = BEGIN_MS + place * WINDOW_MS
    end_ms = start_ms + WINDOW_MS
    window = msgspec.structs.replace(
        example.window, start_ms=start_ms, end_ms=end_ms, closed_ms=end_ms
    )
    given: dict[str, Any] = {
        "model": model,
        "incident_id": f"incident of {model}",
        "window": window,
    }
    given |= changes
    given["alert_id"] = f"{model}/{place}/{given.get('kind', example.kind)}/{example.cause}"
    return msgspec.structs.replace(example, **given)


def evidence(model: str, place: int, /, **changes: Any) -> Evidence:
    """The events behind the alert at the end of a model's window number ``place``."""
    about = alert(model, place)
    example = msgspec.json.decode(read_example("evidence"), type=Evidence)
    given: dict[str, Any] = {
        "alert_id": about.alert_id,
        "incident_id": about.incident_id,
        "model": model,
        "window": about.window,
    }
    return msgspec.structs.replace(example, **(given | changes))


def write(
    producer: KafkaProducer, topic: str, *records: Alert | Score | Audit | ModelStatus | Evidence
) -> None:
    """Write records and wait until the broker has them."""
    encoders = {Audit: encode_audit, ModelStatus: encode_status, Evidence: encode_evidence}
    for record in records:
        encode: Any = encoders.get(type(record), encode_record)
        key, value = encode(record)
        producer.send(topic, key=key, value=value)
    producer.flush(30)


def untested(model: str, place: int) -> Score:
    """The score of a window with too few events."""
    nothing = dict.fromkeys(("p_value", "threshold"))
    return score(model, place, None, status=ScoreStatus.TOO_FEW_EVENTS, **nothing)
