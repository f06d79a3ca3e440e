"""A configuration that is made from a sample, with the reason on each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flink_jobs.histories.errors import SourceError
from flink_jobs.records.wording import count
from flink_jobs.setup.column_tables import ColumnTables, column_tables
from flink_jobs.setup.facts import Facts, facts_of
from flink_jobs.setup.formats import Recognised, recognise
from flink_jobs.setup.keys import Keys, keys_of
from flink_jobs.setup.names import words
from flink_jobs.setup.order import Order, order_of
from flink_jobs.setup.places import (
    EventTime,
    Place,
    attributes_of,
    event_time,
    id_place,
    model_place,
)
from flink_jobs.setup.roles import Roles, roles_of
from flink_jobs.setup.sample import Sample
from flink_jobs.setup.timing import Timing, Traffic, daily_column, timing_of

_REFERENCES = frozenset({"reference", "train", "training", "baseline", "ref"})


@dataclass(frozen=True)
class Proposal:
    """All that was found, and what follows from it.

    Attributes
    ----------
    sample : Sample
    recognised : Recognised
    roles : Roles
    tables : ColumnTables
    model_key : str
        ``model`` or ``model_name``.
    model, event_id : Place
    time : EventTime
    order : Order
    traffic : Traffic
    timing : Timing
    keys : Keys
    n_cells : int
        Of tests on numbers, where all values of the reference would be too much state; 0 for all.
    properties : dict of str to str
        Of the Kafka client.
    """

    sample: Sample
    recognised: Recognised
    roles: Roles
    tables: ColumnTables
    model_key: str
    model: Place
    event_id: Place | None
    time: EventTime
    order: Order
    traffic: Traffic
    timing: Timing
    keys: Keys
    n_cells: int = 0
    properties: dict[str, str] = field(default_factory=dict)


def propose(
    sample: Sample, model_name: str = "", properties: Mapping[str, str] | None = None
) -> Proposal:
    """Guess all that a configuration says of these events.

    Parameters
    ----------
    sample : Sample
    model_name : str
        As a person said it; empty to look for it.
    properties : mapping of str to str, optional
        Of the Kafka client, which the configuration takes over.

    Raises
    ------
    SourceError
        When there is no time, or nothing to watch.
    """
    recognised = _writable(recognise(sample))
    fields = [facts_of(each, are_texts=sample.are_texts) for each in recognised.fields]
    attributes = attributes_of(recognised)
    breaks = sample.breaks if recognised.n_rows == len(sample) else ()
    roles = roles_of(fields, _late_columns(sample), breaks)
    keys = keys_of(sample)
    model_key, model = model_place(sample, roles, attributes, keys, model_name)
    time = event_time(sample, roles, attributes)
    roles = _without_unused(roles, time, model_key, model)
    tables = column_tables(recognised, roles, sample.holder == "table")
    if tables.is_empty:
        raise SourceError(_nothing_text(sample, roles))
    order = order_of(sample, time.times_ms, time.place.text, time.unit)
    traffic = _traffic(sample, recognised, fields, order, time, _n_models(roles, model, keys))
    return Proposal(
        sample,
        recognised,
        roles,
        tables,
        model_key,
        model,
        id_place(sample, recognised, roles, keys),
        time,
        order,
        traffic,
        timing_of(traffic),
        keys,
        properties=dict(properties or {}),
    )


def _writable(recognised: Recognised) -> Recognised:
    """Leave out, and say so, fields of which no configuration can hold the name."""
    good = [each for each in recognised.fields if all(map(_is_writable, each.path))]
    n_bad = len(recognised.fields) - len(good)
    if not n_bad:
        return recognised
    note = f"left out {count(n_bad, 'field')} with halves of characters in the name"
    return replace(recognised, fields=good, notes=[*recognised.notes, note])


def _is_writable(step: object) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in str(step))


def _late_columns(sample: Sample) -> set[str]:
    """Columns that some of the files lack."""
    sets = [set[str](part.columns) for part in sample.files]
    return set[str]().union(*sets) - sets[0].intersection(*sets) if sets else set()


def _n_models(roles: Roles, model: Place, keys: Keys) -> int:
    if roles.model is not None and model.text == roles.model.text:
        return max(1, roles.model.n_distinct)
    return max(1, len(keys.counts)) if model.text == "@key" else 1


def _without_unused(roles: Roles, time: EventTime, model_key: str, model: Place) -> Roles:
    """Leave out, and say so, what was found and is not used: a payload's time, a named model."""
    left_out = list(roles.left_out)
    if roles.times and roles.times[0].facts.text != time.place.text:
        first = roles.times[0]
        if not first.is_order:
            left_out.append((first.facts, "a time; that of the record is taken"))
    if roles.model is not None and model_key == "model_name":
        left_out.append((roles.model, "names models, and one name was given for all"))
    return replace(roles, left_out=left_out)


def _nothing_text(sample: Sample, roles: Roles) -> str:
    reasons = "; ".join(f"{facts.text}: {why}" for facts, why in roles.left_out[:5])
    what = f" ({reasons})" if reasons else ""
    return (
        f"{sample.source} holds nothing to watch: no field looks like a feature or an output{what}"
    )


def _traffic(
    sample: Sample,
    recognised: Recognised,
    fields: Sequence[Facts],
    order: Order,
    time: EventTime,
    n_models: int,
) -> Traffic:
    per_record = recognised.n_rows / max(1, len(sample)) if sample.holder != "table" else 1.0
    n_events = round(sample.n_total * max(1.0, per_record))
    daily = "" if time.is_order else daily_column(fields, time.times_ms)
    n_trained = _n_trained(sample, n_models)
    span_ms = max(0, order.length_ms)
    return Traffic(n_events, n_models, span_ms, time.is_order, daily, n_trained)


def _n_trained(sample: Sample, n_models: int) -> int:
    """Rows of a file that is called a reference, if it lies with others and models are one."""
    called = [part for part in sample.files if set(words(part.name)) & _REFERENCES]
    if len(called) != 1 or len(sample.files) < 2 or n_models > 1:
        return 0
    return called[0].n_rows
