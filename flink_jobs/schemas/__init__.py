"""JSON Schemas of the records on Kafka, version 1, each with an example.

Written by ``scripts/write_schemas.py`` from the structs; a test compares them.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

RecordName = Literal["alert", "score", "dead_letter", "event"]


def read_schema(name: RecordName) -> bytes:
    """The JSON Schema of a record.

    Examples
    --------
    >>> b'"window"' in read_schema("alert")
    True
    """
    return (files(__name__) / f"{name}.v1.json").read_bytes()


def read_example(name: RecordName) -> bytes:
    """A record as it lies on Kafka.

    Examples
    --------
    >>> b'"kind": "started"' in read_example("alert")
    True
    """
    return (files(__name__) / "examples" / f"{name}.v1.json").read_bytes()
