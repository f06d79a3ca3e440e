"""Fields that a model answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.paths import Path
from flink_jobs.records.alerts import OutputKind
from flink_jobs.setup.facts import Facts
from flink_jobs.setup.names import (
    ENVIRONMENT,
    LABELS,
    OUTCOMES,
    OUTPUT_HOLDERS,
    PREDICTIONS,
    PROBABILITIES,
    SCORES,
    has,
    holds,
    unit_of_name,
    words,
)

_MOST_CLASSES = 50
_FEWEST_DECIDED = 30
_FEWEST_ROWS = 0.95


@dataclass(frozen=True)
class Output:
    """A column that the model answered.

    Attributes
    ----------
    name : str
    parts : tuple of Facts
        One; or one for each class, where probabilities lie in fields of their own.
    kind : str
    size : int or None
        Of a vector in one field.
    reason : str
    is_sure : bool
    unit : str
    """

    name: str
    parts: tuple[Facts, ...]
    kind: OutputKind
    size: int | None = None
    reason: str = ""
    is_sure: bool = True
    unit: str = ""


def find_outputs(fields: Sequence[Facts]) -> list[Output]:
    """List the outputs among fields.

    Examples
    --------
    >>> from flink_jobs.setup.facts import facts_of
    >>> from flink_jobs.setup.formats import Field
    >>> rows = {"p_cat": [0.25, 0.5], "p_dog": [0.75, 0.5], "weight": [3.0, 30.0]}
    >>> found = find_outputs([facts_of(Field((name,), values)) for name, values in rows.items()])
    >>> [(each.name, each.kind, len(each.parts)) for each in found]
    [('p', 'class_probabilities', 2)]
    """
    groups = _groups(fields)
    grouped = {id(part) for group in groups for part in group.parts}
    single = [each for each in fields if id(each) not in grouped and _is_candidate(each)]
    outputs = groups + [found for each in single if (found := _output(each)) is not None]
    if not outputs:
        outputs = [found for each in fields if (found := _score(each)) is not None]
    outputs += _decisions(fields, outputs)
    order = {id(each): place for place, each in enumerate(fields)}
    return sorted(outputs, key=lambda output: order[id(output.parts[0])])


def _is_candidate(facts: Facts) -> bool:
    if facts.role:
        return facts.role == "output"
    held = any(holds(str(step), OUTPUT_HOLDERS) for step in facts.path[:-1])
    if held and _describes_the_service(facts):
        return False
    return held or has(facts.name, PREDICTIONS | PROBABILITIES) or _is_p(facts)


def _describes_the_service(facts: Facts) -> bool:
    """Tell a host, a latency or the status of HTTP, which lie in a response next to the answer."""
    found = set(words(facts.name))
    is_status = facts.kind == "number" and found in ({"status"}, {"status", "code"})
    return found <= ENVIRONMENT or "latency" in found or is_status


def _is_p(facts: Facts) -> bool:
    """Tell p, p1 or p_churn, where they lie between 0 and 1."""
    return words(facts.name)[:1] in (["p"], ["yhat"]) and _within_one(facts.numbers)


def _output(facts: Facts) -> Output | None:
    is_held = facts.role == "output" or any(holds(str(s), OUTPUT_HOLDERS) for s in facts.path[:-1])
    match facts.kind:
        case "vector":
            return _vector(facts) if is_held or facts.size > 1 else None
        case "category" | "boolean":
            if facts.n_distinct > _MOST_CLASSES or (is_held and not _names_answer(facts)):
                return _held_class(facts) if is_held else None
            return Output(facts.name, (facts,), "class", reason="the predicted class")
        case "number":
            return _number(facts)
        case _:
            return None


def _names_answer(facts: Facts) -> bool:
    return has(facts.name, PREDICTIONS | PROBABILITIES | frozenset({"class", "label"}))


def _held_class(facts: Facts) -> Output | None:
    """Take a text among the answers for a class, where it has few values and more than one."""
    if not 1 < facts.n_distinct <= _MOST_CLASSES:
        return None
    why = "a text among the answers: taken for the predicted class"
    return Output(facts.name, (facts,), "class", reason=why, is_sure=False)


def _number(facts: Facts) -> Output:
    unit = unit_of_name(facts.name)
    is_named = has(facts.name, PROBABILITIES) or _is_p(facts)
    if _within_one(facts.numbers) and not facts.are_whole:
        why = "between 0 and 1"
        return Output(facts.name, (facts,), "probability", reason=why, is_sure=is_named)
    if _within_one(facts.numbers) and is_named:
        return Output(facts.name, (facts,), "probability", reason="0 or 1 alone", is_sure=False)
    if facts.are_whole and facts.n_distinct <= 20 and facts.n_present > 2 * facts.n_distinct:
        why = "the predicted class"
        return Output(facts.name, (facts,), "class", reason=why, is_sure=facts.n_distinct == 2)
    return Output(facts.name, (facts,), "number", reason="the answer of a regression", unit=unit)


def _score(facts: Facts) -> Output | None:
    """Take a score for the answer, where nothing else looks like one."""
    if facts.kind != "number" or facts.role or not has(facts.name, SCORES):
        return None
    if not (_within_one(facts.numbers) or words(facts.name) in (["score"], ["risk", "score"])):
        return None
    kind: OutputKind = "probability" if _within_one(facts.numbers) else "number"
    why = "called a score, and nothing else looks like the answer: it may be a feature"
    return Output(facts.name, (facts,), kind, reason=why, is_sure=False)


def _decisions(fields: Sequence[Facts], outputs: Sequence[Output]) -> list[Output]:
    """Find texts of two values that a threshold of the only probability tells apart."""
    scores = [each.parts[0] for each in outputs if each.kind == "probability"]
    taken = {id(part) for each in outputs for part in each.parts}
    if len(scores) != 1:
        return []
    why = f"one value below a threshold of {scores[0].name}, the other above it"
    return [
        Output(each.name, (each,), "class", reason=why, is_sure=False)
        for each in fields
        if id(each) not in taken and _is_decided(each, scores[0].numbers)
    ]


def _is_decided(facts: Facts, score: NDArray[np.float64]) -> bool:
    if facts.kind not in ("category", "boolean") or facts.n_distinct != 2 or facts.role:
        return False
    if has(facts.name, LABELS | OUTCOMES) or len(facts.texts) != len(score):
        return False
    texts = np.array(facts.texts, dtype=object)
    low, high = sorted(
        (score[(texts == text) & np.isfinite(score)] for text in facts.counts),
        key=lambda part: float(part.mean()) if len(part) else 0.0,
    )
    is_enough = min(len(low), len(high)) >= _FEWEST_DECIDED
    return is_enough and float(low.max()) <= float(high.min())


def _vector(facts: Facts) -> Output:
    numbers = facts.numbers
    name, size = facts.name, facts.size
    if size == 1:
        kind: OutputKind = "probability" if _within_one(numbers) else "number"
        return Output(name, (facts,), kind, 1, "a list of one number", is_sure=False)
    if _within_one(numbers) and _sum_to_one(numbers):
        why = f"{size} numbers that sum to 1"
        return Output(name, (facts,), "class_probabilities", size, why)
    if _within_one(numbers):
        why = f"{size} numbers between 0 and 1 that do not sum to 1: labels that may come together"
        return Output(name, (facts,), "probabilities", size, why, is_sure=False)
    return Output(name, (facts,), "embedding", size, f"{size} numbers", is_sure=False)


def _groups(fields: Sequence[Facts]) -> list[Output]:
    """Find the probabilities of classes that lie in fields of their own: they sum to 1."""
    alike: dict[tuple[Path, str], list[Facts]] = {}
    for each in fields:
        if each.kind == "number" and each.role != "feature" and _within_one(each.numbers):
            for stem in _stems(each):
                alike.setdefault((each.path[:-1], stem), []).append(each)
    found: list[Output] = []
    taken: set[int] = set()
    for (_, stem), parts in sorted(alike.items(), key=_largest_first):
        free = [part for part in parts if id(part) not in taken]
        if len(free) < 2 or len(free) != len(parts):
            continue
        numbers = np.column_stack([part.numbers for part in free])
        if not _sum_to_one(numbers):
            continue
        taken |= {id(part) for part in free}
        name = _group_name(free, stem)
        why = f"{len(free)} columns that sum to 1 in every row"
        found.append(Output(name, tuple(free), "class_probabilities", reason=why))
    return found


def _largest_first(item: tuple[tuple[Path, str], list[Facts]]) -> tuple[int, int]:
    """Order groups by their size, those with more words in common first."""
    (_, stem), parts = item
    return -len(parts), -len(stem)


def _stems(facts: Facts) -> list[str]:
    """The beginnings of a name that fields of one group share: all words but the last ones."""
    found = words(facts.name)
    stems = ["_".join(found[:n]) for n in range(1, len(found))]
    held = any(has(str(step), OUTPUT_HOLDERS | PROBABILITIES) for step in facts.path[:-1])
    return [*stems, ""] if held else stems


def _group_name(parts: Sequence[Facts], stem: str) -> str:
    if stem:
        first = parts[0].name
        # As it is written: words of the stem, with what joins them.
        end = 0
        for word in words(stem):
            end = first.lower().index(word, end) + len(word)
        return first[:end]
    return str(parts[0].path[-2])


def _within_one(numbers: NDArray[np.float64]) -> bool:
    known = numbers[np.isfinite(numbers)]
    return bool(len(known)) and bool(known.min() >= 0.0 and known.max() <= 1.0)


def _sum_to_one(numbers: NDArray[np.float64]) -> bool:
    whole = numbers[np.isfinite(numbers).all(axis=1)]
    if not len(whole):
        return False
    # Rounded to d decimals, k numbers are off by k / 2 units of the last one at most.
    near = np.abs(whole.sum(axis=1) - 1.0) <= min(0.3, 0.005 * whole.shape[1] + 1e-9)
    return bool(np.mean(near) >= _FEWEST_ROWS) and bool(np.ptp(whole) > 0)
