"""Write the JSON Schemas of all records to ``flink_jobs/records/schemas``, from the structs."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from flink_jobs.intake.formats.json import InferenceEvent
from flink_jobs.records.alerts import Alert, Score
from flink_jobs.records.control import Audit, Command
from flink_jobs.records.dead_letters import DeadLetter
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.status import ModelStatus

RECORDS: dict[str, Any] = {
    "alert": Alert,
    "score": Score,
    "dead_letter": DeadLetter,
    "event": InferenceEvent,
    "command": Command,
    "audit": Audit,
    "evidence": Evidence,
    "status": ModelStatus,
}
_FOLDER = Path(__file__).resolve().parents[1] / "flink_jobs" / "records" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(name: str) -> str:
    """The JSON Schema of one record, as it is committed."""
    schema: dict[str, Any] = {"$schema": _DIALECT, "$id": f"urn:loudly:{name}:v1"}
    schema |= msgspec.json.schema(RECORDS[name])
    for definition in schema["$defs"].values():
        definition["description"] = _summary(definition)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _summary(definition: dict[str, Any]) -> str:
    """The docstring without its list of attributes."""
    return inspect.cleandoc(definition["description"]).partition("\n\nAttributes\n")[0]


def main() -> None:
    """Write all schemas."""
    for name in RECORDS:
        (_FOLDER / f"{name}.v1.json").write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
