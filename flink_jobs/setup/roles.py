"""Guesses: which field is time, model, name, label, output or feature, and which is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flink_jobs.config.tables.columns import FeatureType
from flink_jobs.records.wording import count
from flink_jobs.setup.facts import Facts
from flink_jobs.setup.identifiers import identifier_reason, not_a_feature, text_reason
from flink_jobs.setup.labels import find_label, is_true_value
from flink_jobs.setup.names import (
    EVENT_IDS,
    FEATURE_HOLDERS,
    IDS,
    LABEL_HOLDERS,
    MODELS,
    OTHER_HOLDERS,
    OUTPUT_HOLDERS,
    VERSIONS,
    has,
    holds,
    unit_of_name,
    words,
)
from flink_jobs.setup.outputs import Output, find_outputs
from flink_jobs.setup.times import TimeField, ascending_field, time_fields

_STRONG_HOLDERS = frozenset({"features", "feature", "inputs", "instances", "instance"})
_SERVICES = frozenset({"svc", "service", "deployment", "endpoint", "scorer", "app", "name"})
_MOST_MODELS = 2_000
_MOST_SHARE_OF_MODELS = 0.2
_LONGEST_ID = 256
# From here on the rarer categories count together, by default of the job.
_TOLD_APART = 200
_UNREADABLE = re.compile(r'["\\\x00-\x1f]')
_CODES = frozenset({"code", "zip", "zipcode", "postcode", "postal", "category", "class", "type"})


@dataclass(frozen=True)
class Feature:
    """A column that the model saw.

    Attributes
    ----------
    facts : Facts
    type : str
    unit : str
    unsure : str
        What is not certain; empty where nothing is.
    """

    facts: Facts
    type: FeatureType
    unit: str = ""
    unsure: str = ""


@dataclass(frozen=True)
class Roles:
    """Roles that fields were taken for.

    Attributes
    ----------
    times : list of TimeField
        The best one first; empty where there is none.
    model, event_id, label : Facts or None
    label_reason : str
    features : list of Feature
    outputs : list of Output
    left_out : list of (Facts, str)
        With the reason.
    """

    times: list[TimeField]
    model: Facts | None
    event_id: Facts | None
    label: Facts | None
    label_reason: str
    features: list[Feature]
    outputs: list[Output]
    left_out: list[tuple[Facts, str]] = field(default_factory=list)


def roles_of(
    fields: Sequence[Facts], late_columns: Iterable[str] = (), breaks: Sequence[int] = ()
) -> Roles:
    """Guess what each field is.

    Parameters
    ----------
    fields : sequence of Facts
    late_columns : iterable of str
        Columns that some files of a folder lack, as those of labels do.
    breaks : sequence of int
        Rows at which another file begins.

    Examples
    --------
    >>> from flink_jobs.setup.facts import facts_of
    >>> from flink_jobs.setup.formats import Field
    >>> rows = {"id": ["a", "b", "c"], "age": [30, 41, 30], "prediction": [0.2, 0.7, 0.4]}
    >>> roles = roles_of([facts_of(Field((name,), values)) for name, values in rows.items()])
    >>> roles.event_id.name, [f.facts.name for f in roles.features], roles.outputs[0].kind
    ('id', ['age'], 'probability')
    """
    rest = list(fields)
    times = time_fields(rest)
    event_id = _event_id(rest)
    if not times and (order := ascending_field(rest, breaks)) is not None:
        times = [order]
    rest = _without(rest, [times[0].facts] if times else [], [event_id])
    model = find_model(rest)
    rest = _without(rest, [model])
    moments = {each.facts.path for each in times[1:]}
    left_out = [(f, "a time that is not the event's") for f in rest if f.path in moments]
    rest = [each for each in rest if each.path not in moments]
    outputs = find_outputs([each for each in rest if _holder(each) not in ("label", "other")])
    rest = _without(rest, [part for output in outputs for part in output.parts])
    candidates = [each for each in rest if each.role != "feature"]
    label, reason = find_label(candidates, outputs, set(late_columns), _held_labels(candidates))
    rest = _without(rest, [label])
    if label is not None and _UNREADABLE.search(label.text):
        # Of labels alone the configuration takes no such name, and a feature it should not become.
        left_out.append((label, f"{reason}, but no label's name may hold quotes or backslashes"))
        label, reason = None, ""
    true_values = [each for each in rest if each.role != "feature" and is_true_value(each, outputs)]
    left_out += [(each, "true values that are not classes") for each in true_values]
    rest = _without(rest, true_values)
    features, more = _features(rest, breaks)
    return Roles(times, model, event_id, label, reason, features, outputs, left_out + more)


def _without(fields: Sequence[Facts], *taken: Sequence[Facts | None]) -> list[Facts]:
    gone = {id(each) for group in taken for each in group}
    return [each for each in fields if id(each) not in gone]


def _event_id(fields: Sequence[Facts]) -> Facts | None:
    """Find the name of events: a value of its own for each, in a field that is called so."""
    best: tuple[float, Facts] | None = None
    for each in fields:
        if each.role or not each.is_unique or each.kind not in ("category", "number"):
            continue
        if each.kind == "number" and not each.are_whole:
            continue
        if each.kind == "category" and max(map(len, each.counts)) > _LONGEST_ID:
            continue
        if not (has(each.name, IDS) or "".join(words(each.name)).endswith("id")):
            continue
        score = 2.0 * has(each.text, EVENT_IDS) + (each.name.lower() == "id") - 0.1 * len(each.path)
        if best is None or score > best[0]:
            best = (score, each)
    return best[1] if best else None


def find_model(fields: Sequence[Facts]) -> Facts | None:
    """Find the name of the model: a field that is called so and has few values."""
    for each in fields:
        if each.role or each.kind != "category" or each.n_missing > 0.05 * each.n:
            continue
        held = each.path[-2] if len(each.path) > 1 else ""
        is_named = "".join(words(each.name)) in MODELS | {"modelname", "modelid"}
        is_below = has(str(held), MODELS) and each.name.lower() in ("name", "id")
        if not (is_named or is_below) or has(each.name, VERSIONS):
            continue
        few = each.n_distinct <= max(20, min(_MOST_MODELS, _MOST_SHARE_OF_MODELS * each.n_present))
        if few:
            return each
    return None


def _holder(facts: Facts) -> str:
    """The role of what lies in the same object, by the name of the innermost one that tells."""
    if facts.role:
        return facts.role
    for step in reversed(facts.path[:-1]):
        for role, hints in (
            ("feature", FEATURE_HOLDERS),
            ("output", OUTPUT_HOLDERS),
            ("label", LABEL_HOLDERS),
            ("other", OTHER_HOLDERS),
        ):
            if holds(str(step), hints):
                return role
    return ""


def _held_labels(fields: Sequence[Facts]) -> set[str]:
    return {each.text for each in fields if _holder(each) == "label"}


def _features(
    fields: Sequence[Facts], breaks: Sequence[int]
) -> tuple[list[Feature], list[tuple[Facts, str]]]:
    """Take what is left for features, but for what only names, describes or grows."""
    is_held = any(_holder(each) == "feature" for each in fields)
    is_strong = any(_is_strongly_held(each) for each in fields)
    features: list[Feature] = []
    left_out: list[tuple[Facts, str]] = []
    for each in fields:
        holder = _holder(each)
        reason = _reason(each, holder == "feature", breaks)
        if not reason and holder in ("other", "label", "output"):
            reason = f"lies in {each.path[-2]}, not among the features{_maybe_model(each)}"
        if not reason and is_held and holder != "feature":
            reason = "lies next to the features, not among them"
        if not reason and is_strong and not _is_strongly_held(each):
            reason = "lies next to the features, not among them"
        if reason:
            left_out.append((each, reason))
        else:
            features.append(_feature(each))
    return features, left_out


def _maybe_model(facts: Facts) -> str:
    """A service often is a model, and as often serves several: people know."""
    if facts.kind != "category" or not has(facts.name, _SERVICES) or facts.share_distinct > 0.1:
        return ""
    return f'; if it names models, say model = "{facts.text}"'


def _is_strongly_held(facts: Facts) -> bool:
    return facts.role == "feature" or any(
        set(words(str(step))) & _STRONG_HOLDERS for step in facts.path[:-1]
    )


def _reason(facts: Facts, is_feature: bool, breaks: Sequence[int]) -> str:
    match facts.kind:
        case "nothing":
            return "no event of the sample has a value"
        case "nested":
            return "lists, objects, bytes, or values of several kinds, which no column takes"
        case "moment":
            return "a date: it moves on by itself"
    return (
        identifier_reason(facts) or text_reason(facts) or not_a_feature(facts, is_feature, breaks)
    )


def _feature(facts: Facts) -> Feature:
    if facts.kind == "vector":
        is_one = facts.size == 1
        return Feature(facts, "number" if is_one else "vector", "", _unsure_of_others(facts))
    if facts.kind == "number" and facts.are_whole and set(facts.counts) == {0.0, 1.0}:
        return Feature(facts, "boolean", "", _unsure_of_others(facts))
    if facts.kind == "number" and facts.are_whole and has(facts.name, _CODES):
        why = "whole numbers that are called a code: categories, unless they are an amount"
        return Feature(facts, "category", "", why)
    unsure = _unsure_of_others(facts)
    if facts.kind == "category" and facts.n_distinct > _TOLD_APART and not unsure:
        unsure = (
            f"{count(facts.n_distinct, 'value')}: of these the {_TOLD_APART} most frequent are "
            "told apart; leave it out if it names things"
        )
    unit = unit_of_name(facts.name) if facts.kind == "number" else ""
    kinds: dict[str, FeatureType] = {"number": "number", "boolean": "boolean"}
    return Feature(facts, kinds.get(facts.kind, "category"), unit, unsure)


def _unsure_of_others(facts: Facts) -> str:
    if not facts.others:
        return ""
    share = facts.others / facts.n
    return f"{share:.1%} of the events have something else, such as {facts.other}: dead letters"
