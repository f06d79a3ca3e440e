"""Columns of every type, and events of them by plain Python."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
from hypothesis import strategies as st

from flink_jobs.config.checks import cross_check
from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig
from tests.builders import BASE

CHURN = {
    "features": {
        "tenure": "number",
        "calls": {"type": "number", "may_be_missing": True},
        "plan": "category",
        "channel": {"type": "category", "may_be_missing": True},
        "active": "boolean",
        "paperless": {"type": "boolean", "may_be_missing": True},
        "emb": {"type": "vector", "size": 2},
        "history": {"type": "vector", "size": 2, "may_be_missing": True},
    },
    "outputs": {
        "p_churn": "probability",
        "probs": {"kind": "class_probabilities", "class_names": ["cat", "dog"]},
        "answer": {"kind": "class", "may_be_missing": True},
    },
    "segments": ["region"],
    "label": "churned",
}
VIEWS = [
    {"name": "all", "columns": ["features"]},
    {"name": "probs", "columns": ["probs"]},
    {"name": "answers", "columns": ["p_churn", "answer"]},
]
GOOD = {
    "tenure": 3,
    "calls": 1.5,
    "plan": "family",
    "channel": "web",
    "active": True,
    "paperless": False,
    "emb": [0.5, 1],
    "history": [1, None],
}
ANSWER = {"p_churn": 0.25, "probs": [0.25, 0.75], "answer": "dog"}


def named_config(columns: dict[str, Any] | None = None, **tables: Any) -> DriftJobConfig:
    """A configuration of named columns, the base one but for what is given."""
    tree = msgspec.toml.decode(BASE) | {"input": {}, "detector": {}}
    tree |= {"columns": columns or CHURN, "views": [] if columns else VIEWS} | tables
    config = msgspec.convert(tree, DriftJobConfig)
    assert cross_check(config) == []
    return config


def event(event_id: str = "a", **keys: Any) -> bytes:
    """The value of a good event by name; ``keys`` replace values of any role, or whole roles."""
    tree: dict[str, Any] = {
        "schema_version": 1,
        "event_id": event_id,
        "features": GOOD | {key: value for key, value in keys.items() if key in GOOD},
        "outputs": ANSWER | {key: value for key, value in keys.items() if key in ANSWER},
        "label": "yes",
        "segments": {"region": "eu"},
    }
    tree |= {key: value for key, value in keys.items() if key not in {**GOOD, **ANSWER}}
    return json.dumps(tree).encode()


VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.integers(),
    st.floats(),
    st.sampled_from([0.0, 1.0, 3.0, -0.0]),
    st.sampled_from(["", "family", "basic", "1", "true", "NaN", "é\u2028"]),
    st.text(max_size=300),
    st.lists(st.floats() | st.none() | st.integers(-5, 5), max_size=3),
    st.just({}),
)
"""Values of all kinds, as JSON has them, and some that it has not."""


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


MISSING_NUMBERS = {"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>"}
"""Texts that stand for a missing number, in any case and between blanks: what the page says."""


class RefusedError(Exception):
    """What the oracle says of a value that its column does not take."""


def taken(column: Column, value: Any) -> Any:
    """The number or the text that a value is, None where it is missing: what the page says."""
    if column.type == "vector":
        if value is None and column.may_be_missing:
            return [None] * column.size
        if not isinstance(value, list) or len(value) != column.size:
            raise RefusedError
        number = Column("", "number", "feature", may_be_missing=column.may_be_missing)
        return [taken(number, each) for each in value]
    is_word = isinstance(value, str) and value.strip().lower() in MISSING_NUMBERS
    if is_missing(value) or (column.type == "number" and is_word):
        if column.may_be_missing:
            return None
        raise RefusedError
    if column.type == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RefusedError
        if abs(value) > 1e140:
            raise RefusedError
        return float(value)
    if isinstance(value, float):
        if not value.is_integer() or abs(value) > 2**53:
            raise RefusedError
        value = int(value)
    if column.type == "boolean":
        if isinstance(value, str | list | dict) or value not in (0, 1):
            raise RefusedError
        return "true" if value else "false"
    if isinstance(value, list | dict) or (len(str(value)) > 256 and not isinstance(value, str)):
        raise RefusedError
    return str(value).lower() if isinstance(value, bool) else str(value)
