"""Fields that no test can use: identifiers, free text, counters, and what describes the service."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from flink_jobs.records.shown import shown
from flink_jobs.records.wording import count
from flink_jobs.setup.facts import MISSING_TEXTS, Facts
from flink_jobs.setup.names import ENTITIES, ENVIRONMENT, IDS, SPLITS, VERSIONS, has, words
from flink_jobs.setup.times import steps_of

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
# 01.02.1968, 2/1/1968 or 1968/02/01, with a time of day or without.
_DATE = re.compile(r"(\d{1,2}([./-])\d{1,2}\2\d{4}|\d{4}([./-])\d{1,2}\3\d{1,2})([ T]\d.*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
DATE_OF_ANOTHER_FORM = "a date, such as"
_MANY = 50
_MOST_OF_ENTITY = 0.1
_NEARLY_ALL = 0.5
_LONG_TEXT = 40
_MANY_WORDS = 4
_FEWEST_STEPS = 20


def identifier_reason(facts: Facts) -> str:
    """Say why a field is an identifier; empty where it is not.

    Examples
    --------
    >>> from flink_jobs.setup.facts import facts_of
    >>> from flink_jobs.setup.formats import Field
    >>> identifier_reason(facts_of(Field(("customer_id",), [f"C{n}" for n in range(100)])))
    'an identifier: 100 values in 100 events'
    """
    if facts.kind not in ("category", "number") or facts.n_distinct < 2:
        return ""
    if facts.kind == "number" and not facts.are_whole:
        return ""
    seen = f"{count(facts.n_distinct, 'value')} in {count(facts.n_present, 'event')}"
    if facts.kind == "category" and _are_uuids(facts):
        return f"an identifier: {seen}"
    is_id = has(facts.name, IDS) or "".join(words(facts.name)).endswith(("uuid", "guid"))
    many = facts.n_distinct > _MANY
    if is_id and (many or facts.share_distinct > _NEARLY_ALL):
        return f"an identifier: {seen}"
    if has(facts.name, ENTITIES) and many and facts.share_distinct > _MOST_OF_ENTITY:
        return f"an identifier: {seen}"
    return ""


def text_reason(facts: Facts) -> str:
    """Say why a field is text of which each event has its own, or a date or number in text.

    Empty where it is not.

    Examples
    --------
    >>> from flink_jobs.setup.facts import facts_of
    >>> from flink_jobs.setup.formats import Field
    >>> text_reason(facts_of(Field(("plan",), ["basic", "pro"] * 50)))
    ''
    """
    if facts.kind != "category" or facts.n_present < _FEWEST_STEPS:
        return ""
    if facts.is_constant and len(str(next(iter(facts.counts)))) > _LONG_TEXT:
        return "a long text that is always the same"
    texts = [text for text in list(facts.counts)[:500] if isinstance(text, str)]
    if texts and all(_DATE.fullmatch(text.strip()) for text in texts):
        return f"{DATE_OF_ANOTHER_FORM} {shown(texts[0].strip())} (it moves on by itself)"
    if numbers := [text for text in texts if text.lower() not in MISSING_TEXTS]:
        first = numbers[0]
        if all(map(_DECIMAL_COMMA.fullmatch, numbers)):
            point = first.replace(".", "").replace(",", ".")
            return f"numbers with a decimal comma: write {point} for {first} to have it watched"
    n_words = np.mean([len(text.split()) for text in texts])
    length = np.mean([len(text) for text in texts])
    if (n_words >= _MANY_WORDS or length > _LONG_TEXT) and (
        facts.share_distinct > 0.2 or facts.n_distinct > 1_000
    ):
        return f"free text: {length:.0f} characters on average, nearly every value its own"
    if facts.n_distinct > 10 and facts.share_distinct > _NEARLY_ALL:
        seen = f"{count(facts.n_distinct, 'value')} in {count(facts.n_present, 'event')}"
        return f"nearly every value is its own: {seen}"
    return ""


def not_a_feature(facts: Facts, is_feature: bool, breaks: Sequence[int] = ()) -> str:
    """Say why a field is not what a model looks at; empty where it may be.

    Parameters
    ----------
    facts : Facts
    is_feature : bool
        Whether the event itself says that it is one.
    breaks : sequence of int
        Rows at which another file begins.
    """
    if facts.kind in ("category", "number", "boolean") and has(facts.name, SPLITS):
        return "says which part of the data a row belongs to"
    if facts.is_constant and words(facts.name) == ["year"]:
        return "part of a date: it moves on by itself"
    if _grows(facts, breaks):
        return "grows with the rows, as a counter does: it would always drift"
    if is_feature:
        return ""
    if has(facts.name, VERSIONS):
        return "a version, which changes with every release"
    if facts.kind == "category" and set(words(facts.name)) <= ENVIRONMENT:
        return "describes the service, not the case"
    return ""


def _grows(facts: Facts, breaks: Sequence[int]) -> bool:
    if facts.kind != "number" or not facts.are_whole or facts.n_distinct < 3:
        return False
    steps = steps_of(facts.numbers, breaks)
    steps = steps[np.isfinite(steps)]
    return len(steps) > _FEWEST_STEPS and bool(np.all(steps >= 0))


def _are_uuids(facts: Facts) -> bool:
    some = [text for text in list(facts.counts)[:50] if isinstance(text, str)]
    return bool(some) and all(_UUID.fullmatch(text) for text in some)
