"""JSON Schemas of the records on Kafka, version 1, with examples of each.

Written by ``scripts/write_schemas.py`` from the structs; a test compares them.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

RecordName = Literal[
    "alert", "score", "dead_letter", "event", "command", "audit", "evidence", "status"
]


def read_schema(name: RecordName) -> bytes:
    """The JSON Schema of a record.

    Examples
    --------
    >>> b'"window"' in read_schema("alert")
    True
    """
    return (files(__name__) / f"{name}.v1.json").read_bytes()


def read_example(name: RecordName, variant: str = "") -> bytes:
    """A record as it lies on Kafka.

    Parameters
    ----------
    name : str
    variant : str, optional
        Which of several examples: commands have one for each kind and no other.

    Examples
    --------
    >>> b'"kind": "started"' in read_example("alert")
    True
    >>> b'"until_ms"' in read_example("command", "snooze")
    True
    """
    file = ".".join(filter(None, (name, variant, "v1.json")))
    return (files(__name__) / "examples" / file).read_bytes()
