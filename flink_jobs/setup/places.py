"""Places of model, time and name of events, with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.errors import SourceError
from flink_jobs.records.shown import shown
from flink_jobs.records.wording import count, first_names
from flink_jobs.setup.facts import Facts, facts_of
from flink_jobs.setup.formats import Field, Recognised
from flink_jobs.setup.identifiers import DATE_OF_ANOTHER_FORM
from flink_jobs.setup.keys import Keys
from flink_jobs.setup.roles import Roles, find_model
from flink_jobs.setup.sample import Sample
from flink_jobs.setup.times import TimeField, TimeUnit, time_fields
from flink_jobs.times import duration

_CLOSE_MS = 1_000
_FAR_MS = 60_000
_MOST_NAMED = 3
_DEFAULT_IDS = {"loudly": "event_id", "open_inference": "id", "sagemaker": "eventMetadata.eventId"}


@dataclass(frozen=True)
class Place:
    """Place of a value, with the reason.

    Attributes
    ----------
    text : str
        As the configuration says it; empty for nowhere.
    reason : str
    unsure : str
    """

    text: str
    reason: str = ""
    unsure: str = ""


@dataclass(frozen=True)
class EventTime:
    """Place of event time, and the times of the sample.

    Attributes
    ----------
    place : Place
    times_ms : ndarray of float64
    unit : str
        ``ms`` where it need not be said.
    says_zone : bool
        Whether the zone has to be said.
    is_order : bool
    """

    place: Place
    times_ms: NDArray[np.float64]
    unit: TimeUnit = "ms"
    says_zone: bool = False
    is_order: bool = False


def attributes_of(recognised: Recognised) -> list[Facts]:
    """The attributes of CloudEvents and the headers of records as fields."""
    return [facts_of(Field((name,), rows)) for name, rows in recognised.attributes.items()]


def _bare(text: str) -> str:
    """The name behind ``@ce.`` or ``@header.``, without what a binary CloudEvent adds to it."""
    return text.partition(".")[2].removeprefix("ce_")


def event_time(sample: Sample, roles: Roles, attributes: Sequence[Facts]) -> EventTime:
    """Choose where event time is found.

    Raises
    ------
    SourceError
        When events of a file hold no time.
    """
    own = roles.times[0] if roles.times and not roles.times[0].is_order else None
    found = time_fields(attributes)
    outside = next((each for each in found if _bare(each.facts.text) == "time"), None)
    if sample.holder == "topic":
        return _of_topic(sample, own, outside)
    if own is not None:
        return _of_field(own, own.facts.text, roles.times[1:])
    if outside is not None:
        return _of_field(outside, outside.facts.text, [])
    if roles.times:
        order = roles.times[0]
        unsure = (
            f"no column holds a time: {order.facts.text} grows with the rows and stands for it, "
            "1 ms for each step"
        )
        return EventTime(Place(order.facts.text, "", unsure), order.times_ms, is_order=True)
    raise SourceError(
        f"{sample.source} holds no time: Loudly needs the moment of each event, as a number since "
        "1970 or as a text such as 2026-01-31T12:00:00Z. Add such a column; where only the order "
        f"is known, a whole number that grows with the rows will do{_other_dates(roles)}"
    )


def _other_dates(roles: Roles) -> str:
    """Name what holds dates of another form: which number is the month is not ours to guess."""
    for facts, why in roles.left_out:
        if why.startswith(DATE_OF_ANOTHER_FORM):
            example = why.removeprefix(DATE_OF_ANOTHER_FORM).partition(" (")[0]
            return f". {shown(facts.text)} holds dates such as{example}: write them as above"
    return ""


def _of_field(found: TimeField, text: str, others: Sequence[TimeField]) -> EventTime:
    kind = "times" if not found.are_texts else "times as text"
    if found.facts.kind == "number":
        kind = f"{found.unit} since 1970"
    elif found.are_dates:
        kind = "days without a time of day"
    reason, unsure = kind, ""
    if others:
        named = first_names([each.facts.text for each in others], _MOST_NAMED)
        if others[0].score > found.score - 1:
            unsure = f"{named} would do as well"
        else:
            reason += f"; not {named}"
    return EventTime(
        Place(text, reason, unsure), found.times_ms, found.unit, says_zone=not found.has_zone
    )


def _of_topic(sample: Sample, own: TimeField | None, outside: TimeField | None) -> EventTime:
    written = np.array([_known(record.timestamp_ms) for record in sample.records])
    stamp = EventTime(Place("@timestamp", "the record's timestamp"), written)
    found = own or outside
    if found is None or len(found.times_ms) != len(written):
        return stamp
    text = found.facts.text
    apart_ms = float(np.nanmedian(np.abs(found.times_ms - written)))
    if apart_ms <= _CLOSE_MS:
        return replace(stamp, place=Place("@timestamp", f"the record's; {text} says the same"))
    if apart_ms < _FAR_MS:
        why = f"the record's; {text} differs by {duration(apart_ms)} in the middle"
        return replace(stamp, place=Place("@timestamp", why))
    chosen = _of_field(found, text, [])
    unsure = (
        f"timestamps of records are {duration(apart_ms)} away from it in the middle, as where "
        "events were written later; leave the line out to take those"
    )
    return replace(chosen, place=Place(text, chosen.place.reason, unsure))


def _known(time_ms: int | None) -> float:
    return np.nan if time_ms is None else float(time_ms)


def model_place(
    sample: Sample, roles: Roles, attributes: Sequence[Facts], keys: Keys, name: str
) -> tuple[str, Place]:
    """Say where the model is found: the key of the configuration, and the place.

    Parameters
    ----------
    name : str
        As a person said it; empty where nobody did.
    """
    if name:
        return "model_name", Place(name, "as you said")
    if roles.model is not None:
        return "model", Place(roles.model.text, _models_text(roles.model))
    named = [replace(each, path=(_bare(each.text),)) for each in attributes]
    for place, each in zip(attributes, named, strict=True):
        if find_model([each]) is not None:
            return "model", Place(place.text, _models_text(place))
    if sample.holder != "topic":
        what = "folder" if len(sample.files) > 1 else "file"
        return "model_name", Place(sample.name, f"no column names a model: called after the {what}")
    if keys.name_models:
        unsure = ""
        if len(keys.counts) > 100:
            unsure = f"{keys.text()}: each is a model, unless keys are customers or the like"
        return "model", Place("@key", f"the key: {keys.text()}", unsure)
    why = keys.text()
    if keys.are_new:
        why += ": they name requests, not models"
    return "model_name", Place(sample.name, f"{why}; called after the topic")


def _models_text(facts: Facts) -> str:
    if facts.n_distinct == 1:
        return f"always {next(iter(facts.counts))} in the sample"
    return count(facts.n_distinct, "model")


def id_place(sample: Sample, recognised: Recognised, roles: Roles, keys: Keys) -> Place | None:
    """Say where the names of events are found; None where the default of the format is right."""
    default = _DEFAULT_IDS.get(recognised.format) if sample.holder != "table" else None
    if roles.event_id is not None and roles.event_id.text == default:
        return None
    if roles.event_id is not None:
        return Place(roles.event_id.text, "a value of its own for each event")
    if sample.holder != "table" and (recognised.envelope == "cloudevents" or default):
        return None
    for name, values in recognised.attributes.items():
        if _bare(name) == "id" and None not in values and len(set(values)) == len(values):
            return Place(name, "a value of its own for each record")
    if sample.holder == "topic" and keys.are_new and len(keys.counts) == keys.n_records:
        return Place("@key", "each record has a key of its own")
    after = "its partition and offset" if sample.holder == "topic" else "its file and row"
    return Place("", f"no field has a value of its own for each event: called after {after}")
