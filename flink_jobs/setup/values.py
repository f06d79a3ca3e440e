"""The values of a field in a few words."""

from __future__ import annotations

import numpy as np

from flink_jobs.records.shown import shown
from flink_jobs.setup.facts import Facts

_MOST_NAMED = 3
_MOST_CHARACTERS = 24


def values_text(facts: Facts) -> str:
    """Say what the values of a field are.

    Examples
    --------
    >>> from flink_jobs.setup.facts import facts_of
    >>> from flink_jobs.setup.formats import Field
    >>> values_text(facts_of(Field(("plan",), ["pro", "basic", "basic", None])))
    'basic 67 %, pro 33 %; 25 % missing'
    >>> values_text(facts_of(Field(("age",), [30, 41, 35])))
    '30 to 41, median 35'
    """
    text = _values(facts)
    if facts.n_missing:
        text += f"; {_percent(facts.share_missing)} missing"
    return text


def classes_text(facts: Facts) -> str:
    """Say how often each class comes.

    Examples
    --------
    >>> from flink_jobs.setup.facts import facts_of
    >>> from flink_jobs.setup.formats import Field
    >>> classes_text(facts_of(Field(("y",), [1.0, 0.0, 1.0, 1.0])))
    '1 75 %, 0 25 %'
    """
    return _shares(facts)


def _values(facts: Facts) -> str:
    match facts.kind:
        case "nothing":
            return "no value"
        case "vector":
            return f"{facts.size:,} numbers"
        case "number" if facts.is_constant:
            return f"always {number_text(next(iter(facts.counts)))} in the sample"
        case "number":
            known = facts.numbers[np.isfinite(facts.numbers)]
            low, middle, high = (number_text(float(f(known))) for f in (np.min, np.median, np.max))
            return f"{low} to {high}, median {middle}"
        case "category" | "boolean":
            return _shares(facts)
        case _:
            return ""


def _shares(facts: Facts) -> str:
    named = facts.counts.most_common(_MOST_NAMED)
    if facts.is_constant:
        return f"always {_class_text(named[0][0])} in the sample"
    n = max(1, facts.counts.total())
    texts = [f"{_class_text(text)} {_percent(count / n)}" for text, count in named]
    more = facts.n_distinct - len(named)
    return ", ".join(texts) + (f" and {more:,} more" if more > 0 else "")


def _class_text(value: object) -> str:
    if isinstance(value, float):
        return number_text(value)
    return shown(str(value), _MOST_CHARACTERS) or "(empty)"


def number_text(value: float) -> str:
    """Write a number as people do.

    Examples
    --------
    >>> number_text(12638.0), number_text(0.123456), number_text(1.5e12)
    ('12,638', '0.1235', '1.5e+12')
    """
    if value == round(value) and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e9 else f"{value:.4g}"


def _percent(share: float) -> str:
    if 0 < share < 0.001:
        return "below 0.1 %"
    if share > 0.1:
        return f"{share * 100:.0f} %"
    return f"{share * 100:.2g} %"
