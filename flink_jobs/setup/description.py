"""The description of a sample: what a configuration makes of each column of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import Column
from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.locations import locations_of
from flink_jobs.config.overrides import variants
from flink_jobs.config.paths import path_text
from flink_jobs.config.views import columns_read
from flink_jobs.intake.layouts import Layout
from flink_jobs.intake.texts import Texts
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.shown import shown
from flink_jobs.records.wording import count
from flink_jobs.setup.facts import Facts, facts_of
from flink_jobs.setup.formats import Field
from flink_jobs.setup.identifiers import identifier_reason, text_reason
from flink_jobs.setup.keys import keys_of
from flink_jobs.setup.order import order_of
from flink_jobs.setup.reading import ReadSample, read_sample
from flink_jobs.setup.sample import Sample
from flink_jobs.setup.values import values_text
from flink_jobs.times import duration, moment

_FEW_VALUES = 5
_MANY_EVENTS = 100
_MOST_REFUSED = 0.01
_FOR_CATEGORIES = 200


@dataclass(frozen=True)
class ColumnReport:
    """Report on one column.

    Attributes
    ----------
    name, role, type : str
    place : str
        Where it is looked for, where that is not its name.
    n, n_missing : int
        Usable events, and those without it.
    values : str
        What its values are, in a few words; safe to print.
    hints : list of str
        What looks wrong with it.
    """

    name: str
    role: str
    type: str
    place: str
    n: int
    n_missing: int
    values: str
    hints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Refused:
    """Why some events cannot be used: a reason, how many, and what one of them says."""

    reason: str
    n: int
    example: str


@dataclass(frozen=True)
class SampleReport:
    """Report on a sample of events, as a configuration reads it.

    All texts are safe to print.

    Attributes
    ----------
    source : str
    n_messages, n_usable : int
        Messages that were looked at, and events that can be used: a message may hold several.
    refused : list of Refused
        The most frequent reason first.
    columns : list of ColumnReport
    models : list of (str, int)
        The most frequent ones.
    n_models : int
    span_ms : tuple of int or None
    hints : list of str
        What looks wrong with the whole.
    """

    source: str
    n_messages: int
    n_usable: int
    refused: list[Refused]
    columns: list[ColumnReport]
    models: list[tuple[str, int]]
    n_models: int
    span_ms: tuple[int, int] | None
    hints: list[str]

    @property
    def is_unusable(self) -> bool:
        """True if no event can be used."""
        return not self.n_usable

    @property
    def n_refused(self) -> int:
        """Events and messages that cannot be used."""
        return sum(each.n for each in self.refused)


def describe_sample(config: DriftJobConfig, sample: Sample) -> SampleReport:
    """Say what a configuration makes of a sample, through the readers of the job.

    Parameters
    ----------
    config : DriftJobConfig
    sample : Sample
        As :func:`flink_jobs.setup.opening.take_sample` takes it.

    Raises
    ------
    SourceError
        When a file lacks columns that the configuration names.
    ConfigError
        When places do not suit what holds the events.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> from flink_jobs.setup.sample import RawRecord
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {format = "json"}
    ... columns = {model_name = "churn", time = "at", features = {plan = "category"}}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> lines = [RawRecord(b'{"at": 5, "plan": "pro"}'), RawRecord(b'{"at": 6}')]
    >>> report = describe_sample(config, Sample("a.jsonl", "a", "lines", records=lines))
    >>> report.n_usable, report.columns[0].values, report.refused[0].example
    (1, 'pro 100 %', 'plan is missing')
    """
    read = read_sample(config, sample)
    models = Counter(read.models)
    times = [time for time in read.times_ms if time]
    return SampleReport(
        shown(sample.source),
        read.n_messages,
        read.n_usable,
        _refused(read.problems, read.n_without_model),
        list(_columns(config, read)),
        [(shown(name), n) for name, n in models.most_common(5)],
        len(models),
        (min(times), max(times)) if times else None,
        list(_hints(config, sample, read)),
    )


def _refused(problems: Sequence[UnusableEventError], n_without_model: int) -> list[Refused]:
    reasons = Counter(str(each.reason) for each in problems)
    examples = {str(each.reason): each.detail for each in reversed(problems)}
    if n_without_model:
        reasons["missing_key"] += n_without_model
        examples.setdefault("missing_key", "the record has no key, which names the model")
    return [Refused(reason, n, shown(examples[reason])) for reason, n in reasons.most_common()]


def _columns(config: DriftJobConfig, read: ReadSample) -> Iterator[ColumnReport]:
    seen = dict.fromkeys(column for each in variants(config) for column in columns_read(each))
    for column in seen:
        parts = [
            _facts(column, layout, own.x, own.texts)
            for layout, own in read.reads
            if column in layout.read
        ]
        values = [value for part in parts for value in part]
        # Of the parts of messages that an event may lack nothing is missing.
        facts = facts_of(Field((column.name,), values))
        yield ColumnReport(
            shown(column.name),
            column.role,
            column.kind or column.type,
            _place(column),
            facts.n,
            facts.n_missing,
            values_text(facts) if facts.n else "no event",
            list(_column_hints(column, facts)),
        )


def _facts(column: Column, layout: Layout, x: NDArray[np.float64], texts: Texts) -> list[object]:
    """Return the values of a column as they were read."""
    first = next(place for place, slot in enumerate(layout.slots) if slot.column == column)
    if column.type == "vector":
        return [list(row) for row in x[:, first : first + column.size].tolist()]
    numbers = x[:, first]
    if not column.is_category:
        return [None if np.isnan(value) else value for value in numbers.tolist()]
    own = texts.get(first, ())
    return [None if np.isnan(code) else own[int(code)] for code in numbers.tolist()]


def _place(column: Column) -> str:
    if len(column.paths) != 1:
        return ""
    (path,) = column.paths
    text = path_text(path)
    return "" if path == (column.name,) else shown(text)


def _column_hints(column: Column, facts: Facts) -> Iterator[str]:
    if not facts.n:
        return
    if not facts.n_present:
        yield "no event of the sample has it"
        return
    if column.role in ("label", "segment"):
        return
    if column.type == "category":
        if reason := identifier_reason(facts) or text_reason(facts):
            yield f"{reason}; leave it out"
        elif facts.n_distinct > _FOR_CATEGORIES:
            yield f"{facts.n_distinct:,} values, of which the 200 most frequent are told apart"
    if facts.is_constant and facts.n > _MANY_EVENTS:
        yield "the same in every event of the sample"
    is_feature = column.type == "number" and column.kind is None
    if is_feature and facts.n > _MANY_EVENTS and 1 < facts.n_distinct <= _FEW_VALUES:
        yield f"only {facts.n_distinct} values: a category, if they are not amounts"


def _hints(config: DriftJobConfig, sample: Sample, read: ReadSample) -> Iterator[str]:
    yield from _model_hints(config, sample, read)
    n_bad = len(read.problems) + read.n_without_model
    n_all = n_bad + read.n_usable
    if n_all and n_bad > _MOST_REFUSED * n_all and read.n_usable:
        yield f"{n_bad / n_all:.1%} of the events cannot be used, and become dead letters"
    yield from _time_hints(config, sample, read)


def _model_hints(config: DriftJobConfig, sample: Sample, read: ReadSample) -> Iterator[str]:
    n_models = len(set(read.models))
    is_key = sample.holder == "topic" and locations_of(config, "topic").model.kind == "key"
    if n_models > 50 and n_models > 0.5 * len(read.models):
        seen = f"{count(n_models, 'model')} in {count(len(read.models), 'event')}"
        if is_key:
            yield (
                f"nearly every key is new: {seen}. The topic is keyed by request: set "
                "columns.model to where events name their model, or columns.model_name"
            )
        else:
            yield f"nearly every model is new: {seen}. columns.model names something else"
    if is_key and read.n_without_model:
        keys = keys_of(sample)
        yield f"{keys.text()}: set columns.model or columns.model_name"


def _time_hints(config: DriftJobConfig, sample: Sample, read: ReadSample) -> Iterator[str]:
    times = np.array([time for time in read.times_ms if time], dtype=np.float64)
    if not len(times):
        return
    first, last = float(times.min()), float(times.max())
    if first < 0 or last > 4_102_444_800_000 or last < 631_152_000_000:
        yield (
            f"event times reach from {moment(first)} to {moment(last)}: look at columns.time_unit, "
            "unless they only number the events"
        )
        return
    if len(times) > _MANY_EVENTS and first == last:
        yield "all events have the same time: it may be that of a load, not of the events"
    if sample.holder == "topic" or len(times) != read.n_messages:
        return
    order = order_of(sample, times) if len(sample.files) <= 1 else None
    bound_ms = config.input.max_out_of_orderness_ms
    if order is not None and order.late_ms > bound_ms:
        yield (
            f"events come up to {duration(order.late_ms)} after newer ones, and "
            f"input.max_out_of_orderness_ms is {duration(bound_ms)}: some will be too late"
        )
