"""Facts about the values of one field."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.paths import Path, parse_path, path_text
from flink_jobs.setup.formats import Field

Kind = Literal["number", "category", "boolean", "vector", "moment", "nested", "nothing"]

MISSING_TEXTS = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>"})
"""Texts that stand for a missing number, in lower case."""
_BOOLEAN_TEXTS = frozenset({"true", "false"})
_MOST_SHARE_OF_OTHERS = 0.05


@dataclass(frozen=True)
class Facts:
    """Facts about the values of a field.

    Attributes
    ----------
    path : Path
    role : str
        As the format says; empty where it does not.
    kind : str
        ``moment`` is a date or a time with a type of its own; ``nested`` lists and objects.
    n, n_missing : int
    others : int
        Values that are of another kind, which would become dead letters.
    other : str
        One of them.
    numbers : ndarray of float64, shape (n,)
        NaN where there is none; empty for texts.
    texts : list of (str or None)
        Of categories, booleans and texts; empty for numbers.
    counts : Counter
        Of the values.
    size : int
        The numbers of a vector.
    are_whole : bool
        Whether all numbers are whole.
    values : list
        As they came.
    """

    path: Path
    role: str
    kind: Kind
    n: int
    n_missing: int
    others: int = 0
    other: str = ""
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    texts: Sequence[str | None] = ()
    counts: Counter[Any] = field(default_factory=Counter)
    size: int = 1
    are_whole: bool = False
    values: Sequence[Any] = ()

    @property
    def name(self) -> str:
        """The last key of the path."""
        return str(self.path[-1])

    @property
    def text(self) -> str:
        """The path as people write it; that of a column of a table is its name, if it is a path."""
        return self.name if len(self.path) == 1 and _is_path(self.name) else path_text(self.path)

    @property
    def n_present(self) -> int:
        """How many events have a value."""
        return self.n - self.n_missing

    @property
    def n_distinct(self) -> int:
        """How many values there are."""
        return len(self.counts)

    @property
    def share_distinct(self) -> float:
        """How many values there are for each event that has one."""
        return self.n_distinct / self.n_present if self.n_present else 0.0

    @property
    def share_missing(self) -> float:
        """How many events lack it."""
        return self.n_missing / self.n if self.n else 0.0

    @property
    def is_constant(self) -> bool:
        """True if all events that have a value have the same."""
        return self.n_distinct == 1 and self.n_present > 1

    @property
    def is_unique(self) -> bool:
        """True if each event has a value of its own."""
        return self.n_missing == 0 and self.n_distinct == self.n > 1


def _is_path(name: str) -> bool:
    try:
        parse_path(name)
    except ValueError:
        return False
    return True


def facts_of(found: Field, *, are_texts: bool = False) -> Facts:
    """Say what the values of a field are.

    Parameters
    ----------
    found : Field
    are_texts : bool
        Whether numbers and truth values come as texts, as in CSV.

    Examples
    --------
    >>> facts = facts_of(Field(("age",), [3, None, 4.5]))
    >>> facts.kind, facts.n_missing, facts.n_distinct, facts.are_whole
    ('number', 1, 2, False)
    >>> facts_of(Field(("age",), ["3", "NA", "4"]), are_texts=True).kind
    'number'
    """
    values = [None if _is_missing(value) else value for value in found.values]
    present = [value for value in values if value is not None]
    if not present:
        return Facts(found.path, found.role, "nothing", len(values), len(values))
    if are_texts:
        if (as_numbers := _numbers_in_texts(found, values)) is not None:
            return as_numbers
        if {value.lower() for value in present} <= _BOOLEAN_TEXTS:
            texts = [None if value is None else value.lower() for value in values]
            return _of_texts(found, "boolean", texts, 0, "")
        return _of_texts(found, "category", values, 0, "")
    return _by_types(found, values, present)


def _by_types(found: Field, values: list[Any], present: list[Any]) -> Facts:
    kinds = Counter(map(_kind_of, present))
    ((kind, n_kind), *_) = kinds.most_common()
    n_others = len(present) - n_kind
    other = next((repr(v)[:40] for v in present if _kind_of(v) != kind), "")
    if n_others > _MOST_SHARE_OF_OTHERS * len(present) and set(kinds) <= {
        "number",
        "category",
        "boolean",
    }:
        # Numbers, texts and truth values by turns are texts of a category to every format.
        kind, n_others, other = "category", 0, ""
    if n_others > _MOST_SHARE_OF_OTHERS * len(present):
        # A column of either would make dead letters of all the others.
        kind = "nested"
    match kind:
        case "number":
            numbers = np.array([_float(value) for value in values])
            return _of_numbers(found, numbers, values, n_others, other)
        case "boolean":
            texts = [str(v).lower() if isinstance(v, bool) else None for v in values]
            return _of_texts(found, "boolean", texts, n_others, other)
        case "category":
            texts = [_text(value) for value in values]
            return _of_texts(found, "category", texts, n_others, other)
        case "vector":
            return _of_vectors(found, values)
        case "moment":
            return Facts(
                found.path,
                found.role,
                "moment",
                len(values),
                len(values) - len(present),
                n_others,
                other,
                counts=Counter(present),
                values=values,
            )
        case _:
            return Facts(found.path, found.role, "nested", len(values), len(values) - len(present))


def _kind_of(value: Any) -> Kind:
    match value:
        case bool():
            return "boolean"
        case int() | float() | Decimal():
            return "number"
        case str():
            return "category"
        case bytes():
            return "category" if _is_text(value) else "nested"
        case datetime() | date():
            return "moment"
        case list() if value and all(_is_number(each) for each in value):
            return "vector"
        case _:
            return "nested"


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _float(value: Any) -> float:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return math.nan


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bytes():
            return value.decode(errors="replace")
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _numbers_in_texts(found: Field, values: list[Any]) -> Facts | None:
    """Read texts as numbers; None where more than a few are something else."""
    numbers = np.full(len(values), np.nan)
    missing = others = 0
    other = ""
    for place, value in enumerate(values):
        if value is None or value.strip().lower() in MISSING_TEXTS:
            missing += 1
            continue
        try:
            numbers[place] = float(value)
        except ValueError:
            others, other = others + 1, other or repr(value)[:40]
    n_present = len(values) - missing
    if not n_present or others > _MOST_SHARE_OF_OTHERS * n_present:
        return None
    return _of_numbers(found, numbers, values, others, other)


def _of_numbers(
    found: Field, numbers: NDArray[np.float64], values: list[Any], others: int, other: str
) -> Facts:
    finite = numbers[np.isfinite(numbers)]
    return Facts(
        found.path,
        found.role,
        "number" if len(finite) else "nothing",
        len(values),
        int(np.isnan(numbers).sum()) - others,
        others,
        other,
        numbers=numbers,
        counts=Counter(finite.tolist()),
        are_whole=bool(len(finite)) and bool(np.all(finite == np.round(finite))),
        values=values,
    )


def _of_texts(
    found: Field, kind: Kind, texts: Sequence[str | None], others: int, other: str
) -> Facts:
    present = [text for text in texts if text is not None]
    n_missing = len(texts) - len(present) - (others if kind == "boolean" else 0)
    return Facts(
        found.path,
        found.role,
        kind,
        len(texts),
        n_missing,
        others,
        other,
        texts=texts,
        counts=Counter(present),
        values=texts,
    )


def _of_vectors(found: Field, values: list[Any]) -> Facts:
    lengths = Counter(len(value) for value in values if isinstance(value, list))
    ((size, n_size),) = lengths.most_common(1)
    n_missing = sum(value is None for value in values)
    right = [v for v in values if isinstance(v, list) and len(v) == size]
    numbers = np.array([[_float(each) for each in v] for v in right], dtype=np.float64)
    n_others = len(values) - n_missing - n_size
    if size < 2 and n_others > _MOST_SHARE_OF_OTHERS * len(values):
        return Facts(found.path, found.role, "nested", len(values), n_missing)
    return Facts(
        found.path,
        found.role,
        "vector",
        len(values),
        n_missing,
        n_others,
        f"a list of another length than {size}" if n_others else "",
        numbers=numbers,
        counts=Counter(map(bytes, numbers)),
        size=size,
        values=values,
    )
