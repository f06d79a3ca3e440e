"""The field that holds the true classes of events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flink_jobs.setup.facts import MISSING_TEXTS, Facts
from flink_jobs.setup.names import LABELS, NO, OUTCOMES, YES, has, shares_word, words
from flink_jobs.setup.outputs import Output

_MOST_CLASSES = 100
_ADDED = frozenset({"is", "has", "was", "y", "flag", "true", "real", "clf", "ever"})
_BINS = 5
_FEWEST_EVENTS = 200
_CLOSE = 0.12


def find_label(
    fields: Sequence[Facts], outputs: Sequence[Output], late: set[str], held: set[str]
) -> tuple[Facts | None, str]:
    """Find the true classes, and say why; the reason begins with ``?`` where that is not certain.

    Parameters
    ----------
    fields : sequence of Facts
    outputs : sequence of Output
    late : set of str
        Columns that some files lack.
    held : set of str
        Fields in an object that is called as labels are.
    """
    classes = [each for each in fields if _has_classes(each)]
    for each in classes:
        if each.text in held or _is_called_so(each, outputs):
            return each, "called as true classes are"
    related = [o.name for o in outputs]
    for each in classes:
        if _is_outcome(each) and any(shares_word(each.name, name) for name in related):
            return each, f"what {related[0]} predicts, by its name"
    for each in classes:
        if each.text in late:
            return each, "?some of the files lack it, as true classes that come later"
    probability = next((o.parts[0] for o in outputs if o.kind == "probability"), None)
    for each in classes:
        if probability is not None and _follows(each, probability):
            return each, f"?its share follows {probability.name}, as true classes do"
    for each in classes:
        if _is_outcome(each):
            return each, "?called as outcomes are; if the model sees it, it is a feature"
    return None, ""


def is_true_value(facts: Facts, outputs: Sequence[Output]) -> bool:
    """Tell true values that are not classes, as a regression has.

    A number that is called y alone is one only where something predicts it.

    Examples
    --------
    >>> from flink_jobs.setup.facts import facts_of
    >>> from flink_jobs.setup.formats import Field
    >>> is_true_value(facts_of(Field(("y_true",), [0.5, 7.25])), [])
    True
    """
    if words(facts.name) == ["y"] and not outputs:
        return False
    is_called_so = _is_called_so(facts, outputs)
    return facts.kind == "number" and is_called_so and not _has_classes(facts)


def _is_called_so(facts: Facts, outputs: Sequence[Output]) -> bool:
    found = words(facts.name)
    is_y = found in (["y"], ["y", "true"], ["true", "class"], ["true", "label"], ["y", "test"])
    # As eta_true beside eta_pred; true alone may be the answer to anything.
    named = set(found) - {"true"}
    is_of_one = "true" in found and any(named and named < set(words(o.name)) for o in outputs)
    return is_y or is_of_one or has(facts.name, LABELS)


def _is_outcome(facts: Facts) -> bool:
    found = set(words(facts.name))
    return bool(found & OUTCOMES) and found <= OUTCOMES | _ADDED


def _has_classes(facts: Facts) -> bool:
    if facts.kind == "number" and not facts.are_whole:
        return False
    is_one = facts.kind in ("number", "category", "boolean")
    return is_one and 2 <= facts.n_distinct <= _MOST_CLASSES


def _zeros_and_ones(facts: Facts) -> NDArray[np.float64] | None:
    if facts.kind == "number" and set(facts.counts) == {0.0, 1.0}:
        return facts.numbers
    if facts.kind == "boolean" and facts.n_distinct == 2:
        return np.array([np.nan if t is None else float(t == "true") for t in facts.texts])
    if facts.kind != "category":
        return None
    texts = [None if t is None else t.lower() for t in facts.texts]
    if set(texts) - MISSING_TEXTS - {None} - YES - NO or not (set(texts) & YES and set(texts) & NO):
        return None
    return np.array([float(t in YES) if t in YES | NO else np.nan for t in texts])


def _follows(facts: Facts, probability: Facts) -> bool:
    """Tell that the share of ones is close to the probability, from low to high ones."""
    ones, p = _zeros_and_ones(facts), probability.numbers
    if ones is None or len(ones) != len(p):
        return False
    known = np.isfinite(ones) & np.isfinite(p)
    if known.sum() < _FEWEST_EVENTS:
        return False
    ones, p = ones[known], p[known]
    edges = np.quantile(p, np.linspace(0, 1, _BINS + 1))
    bins = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, _BINS - 1)
    there = [n for n in range(_BINS) if (bins == n).sum() >= _FEWEST_EVENTS // 10]
    shares = np.array([ones[bins == n].mean() for n in there])
    means = np.array([p[bins == n].mean() for n in there])
    is_wide = len(there) > 1 and float(np.ptp(means)) > 0.2
    return bool(is_wide and np.all(np.abs(shares - means) < _CLOSE))
