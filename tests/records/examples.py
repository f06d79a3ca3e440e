"""Records that tests start from: the committed examples."""

from __future__ import annotations

from typing import Any

import msgspec

from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.control import Audit
from flink_jobs.records.schemas import read_example
from flink_jobs.records.status import ModelStatus


def make_alert(variant: str = "", **changes: Any) -> Alert:
    """An example alert with some fields replaced."""
    alert = msgspec.json.decode(read_example("alert", variant), type=Alert)
    return msgspec.structs.replace(alert, **changes)


def make_score(**changes: Any) -> Score:
    """The example score with some fields replaced."""
    score = msgspec.json.decode(read_example("score"), type=Score)
    return msgspec.structs.replace(score, **changes)


def make_audit(variant: str = "", **changes: Any) -> Audit:
    """An example answer with some fields replaced."""
    audit = msgspec.json.decode(read_example("audit", variant), type=Audit)
    return msgspec.structs.replace(audit, **changes)


def make_status(variant: str = "", **changes: Any) -> ModelStatus:
    """An example status with some fields replaced."""
    status = msgspec.json.decode(read_example("status", variant), type=ModelStatus)
    return msgspec.structs.replace(status, **changes)
