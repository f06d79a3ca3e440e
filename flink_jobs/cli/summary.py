"""Meaning of a configuration, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from flink_jobs.cli.many_models_text import many_models_text
from flink_jobs.cli.own_models_text import own_model_texts
from flink_jobs.cli.state_size import open_panes_text, part_texts, state_text
from flink_jobs.config.calibration import level_at, promise_in_words
from flink_jobs.config.columns import Column
from flink_jobs.config.digests import trained_key
from flink_jobs.config.job import DriftJobConfig, OverrideTable
from flink_jobs.config.overrides import matches, variants
from flink_jobs.config.seasons import lasting_ms, seasons_left_out
from flink_jobs.config.smallest_shifts import found_by_view
from flink_jobs.config.tables.references import (
    FirstEvents,
    FirstTime,
    Seasonal,
    Trailing,
    TrainingSet,
)
from flink_jobs.config.tables.watching import LevelPerWindowConfig
from flink_jobs.config.tables.windows import CountWindow, SessionWindow, TimeWindow
from flink_jobs.config.two_sample_tests import (
    fewest_events,
    fewest_reference_events,
    lowest_p_value,
)
from flink_jobs.config.views import Detector, Sequential, View, views_of
from flink_jobs.records.alerts import MAIN_VIEW
from flink_jobs.records.shown import shown
from flink_jobs.records.wording import count, first_names
from flink_jobs.times import duration

_MOST_NAMED = 8


class Line(NamedTuple):
    """One line of the summary."""

    name: str
    text: str


def summarise(
    config: DriftJobConfig,
    n_training: Mapping[str, int],
    models: Mapping[str, bytes] | None = None,
) -> list[Line]:
    """Say what is tested on which windows, how much state that takes and what it can find.

    Parameters
    ----------
    config : DriftJobConfig
    n_training : mapping of str to int
        Events of each training set, by :func:`~flink_jobs.config.digests.trained_key`.
    models : mapping of str to bytes, optional
        Models of the user's own by their SHA-256, for what they cost.
    """
    base, *others = variants(config)
    lines = _of_model(base, n_training)
    lines += [Line("own model", text) for text in own_model_texts(config, models or {})]
    blocks = [
        line
        for place, variant in enumerate(others)
        for line in _of_override(config.overrides, place, lines, _of_model(variant, n_training))
    ]
    text = many_models_text(config)
    of_job = [
        Line("control", _control(config)),
        Line("status", _status(config)),
        Line("job", _job(config)),
    ]
    of_job[:0] = [Line("many models", text)] if text else []
    if config.kafka.evidence_topic is not None:
        of_job.insert(-1, Line("evidence", _evidence(config)))
    return [*lines, *of_job, *blocks]


def _of_model(config: DriftJobConfig, n_training: Mapping[str, int]) -> list[Line]:
    """Summarise a configuration for one model."""
    views = views_of(config)
    return [
        Line("events", _events(config)),
        *(line for view in views for line in _of_view(config, view, n_training, views)),
        Line("silence", _silence(config)),
        Line("state", state_text(config, n_training)),
        *(Line("", text) for text in part_texts(config, n_training)),
        Line("open panes", open_panes_text(config)),
    ]


def _of_view(
    config: DriftJobConfig, view: View, n_training: Mapping[str, int], views: Sequence[View]
) -> Iterator[Line]:
    """List what watches a view; the only view without a ``views`` table stays unnamed."""
    fewest = _fewest_reference_events(view, n_training)
    if len(views) > 1 or view.name != MAIN_VIEW:
        yield Line("view", f"{view.name}: {_columns(view)}, reducer {_kind(view.reducer)}")
    if view is views[0] or view.reference != views[0].reference:
        yield Line("reference", _reference(view, fewest))
        lasting = lasting_ms(view.reference)
        if lasting is not None and (left_out := seasons_left_out(lasting)):
            yield Line("seasons", left_out)
    for each in view.detectors:
        yield Line("detector", _detector(config, view, each, fewest))
    for own in view.sequential:
        yield Line("detector", _sequential(own, config.panes.width_ms))
    for name, found in found_by_view(config, view, fewest):
        yield Line("finds", f"{name}: {found}")


def _of_override(
    overrides: Sequence[OverrideTable], place: int, base: list[Line], lines: list[Line]
) -> Iterator[Line]:
    """Say which models an override concerns, what it says, and which lines it changes."""
    override = overrides[place]
    tree = msgspec.to_builtins(override)
    said = {table: keys for table, keys in tree.items() if table != "models" and keys}
    yield Line("override", f"{override.models}: {', '.join(_assignments(said)) or 'no change'}")
    # An earlier pattern that matches the text of this one matches all that this one matches.
    for earlier in overrides[:place]:
        if matches(earlier.models, override.models):
            yield Line("", f"never used: {earlier.models} comes first and takes all of its models")
            return
    yield from (Line(f"  {line.name}", line.text) for line in lines if line not in base)


def _assignments(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _assignments(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key} of its own"
        else:
            yield f"{prefix}{key} = {msgspec.json.encode(value).decode()}"


def _fewest_reference_events(view: View, n_training: Mapping[str, int]) -> int:
    if isinstance(view.reference, TrainingSet):
        return n_training[trained_key(view)]
    return fewest_reference_events(view)


def _events(config: DriftJobConfig) -> str:
    views, width = views_of(config), duration(config.panes.width_ms)
    if len(views) > 1 or views[0].name != MAIN_VIEW:
        n_values = len({place for view in views for place in view.places})
        return f"{count(n_values, 'value')} of each, in panes of {width}"
    (view,) = views
    return f"{_columns(view)} of each, reducer {_kind(view.reducer)}, in panes of {width}"


def _columns(view: View) -> str:
    """The columns of a view, by name where they have names of their own."""
    if [column.type for column in view.columns] == ["vector"]:
        (vector,) = view.columns
        return f"{vector.size:,} {vector.name}"
    named = (f"{shown(column.name)} ({_type(column)})" for column in view.columns)
    return first_names(list(named), _MOST_NAMED)


def _type(column: Column) -> str:
    if column.type == "vector":
        return f"{column.size:,} numbers"
    return column.kind or column.type


def _reference(view: View, n_fewest: int) -> str:
    match view.reference:
        case FirstEvents():
            return f"the first {n_fewest:,} events of each model"
        case TrainingSet(path=path):
            return f"{n_fewest:,} events of {path}, for all models"
        case FirstTime() as first:
            return (
                f"the first {duration(first.duration_ms)} of each model, "
                f"{first.min_events:,} events or more; {first.max_events:,} are kept"
            )
        case Trailing() as trailing:
            end = f"{duration(trailing.gap_ms)} before" if trailing.gap_ms else "at the start of"
            return f"{duration(trailing.size_ms)} that end {end} a window{_at_least(trailing)}"
        case Seasonal() as seasonal:
            slot, n, period = duration(seasonal.slot_ms), seasonal.n_periods, seasonal.period
            before = f"{n} {period}s" if n > 1 else period
            return f"the same {slot} of the {period} in the {before} before{_at_least(seasonal)}"


def _at_least(reference: Trailing | Seasonal) -> str:
    return f"; no test with fewer than {reference.min_events:,} events"


def _detector(config: DriftJobConfig, view: View, detector: Detector, n_ref: int) -> str:
    n_test = fewest_events(detector)
    level = level_at(config, view, detector, n_ref, n_test)
    lowest = lowest_p_value(view, detector.test, n_ref, n_test)
    fewest = f"{n_test:,} events"
    reach = f"{fewest} can reach {lowest:.2g}"
    if lowest > level:
        reach = f"a window of {fewest} cannot alarm, its lowest p-value is {lowest:.2g}"
    at = f"{_kind(detector.test)} at {level:.3g}{_promise(config, detector)}"
    return f"{detector.name}: {_window(detector)}; {at}; {reach}"


def _promise(config: DriftJobConfig, detector: Detector) -> str:
    """The run time of a detector, where one is promised."""
    table = detector.calibration
    if isinstance(table, LevelPerWindowConfig):
        return ""
    return f", {promise_in_words(config, detector)} (confidence {table.confidence:g})"


def _sequential(detector: Sequential, width_ms: int) -> str:
    """Say what a sequential detector promises."""
    table = detector.table
    in_words = duration if table.unit == "ms" else _n_events
    return (
        f"{detector.name}: every pane; {_kind(table)}; {in_words(table.run_time)} or more until a "
        f"false alarm, on average, for {table.confidence:.0%} of references; a score every "
        f"{duration(table.score_every(width_ms))}, recovered after {in_words(round(table.quiet))} "
        "without an alarm"
    )


def _n_events(n: int) -> str:
    return count(n, "event")


def _window(detector: Detector) -> str:
    match detector.window:
        case CountWindow() as count:
            return f"{count.size:,} events, every {count.slide:,}"
        case TimeWindow() as window:
            text = f"{duration(window.size_ms)}, every {duration(window.slide_ms)}"
        case SessionWindow() as window:
            gap, longest = duration(window.gap_ms), duration(window.max_size_ms)
            text = f"until {gap} without events, {longest} at most"
    text += f", from {window.min_events:,} events on"
    text += f", early at {window.early_events:,}" if window.early_events else ""
    return text + (f", the newest {window.max_events:,}" if window.max_events else "")


def _silence(config: DriftJobConfig) -> str:
    after_ms = config.silence.after_ms
    return f"alert after {duration(after_ms)} without events" if after_ms else "no alert"


def _control(config: DriftJobConfig) -> str:
    kafka = config.kafka
    if kafka.control_topic is None:
        return "no commands; kafka.control_topic is not set"
    return f"commands from {kafka.control_topic}, answers to {kafka.audit_topic}"


def _evidence(config: DriftJobConfig) -> str:
    table = config.evidence
    if not table.rows:
        return "none; evidence.rows is 0"
    return (
        f"at most {table.rows:,} events of each side of an incident, "
        f"{table.max_bytes / 1e6:.2g} MB a record, to {config.kafka.evidence_topic}"
    )


def _status(config: DriftJobConfig) -> str:
    topic = config.kafka.status_topic
    if topic is None:
        return "no status records; kafka.status_topic is not set"
    every = duration(config.job.status_every_ms)
    return f"of each model to {topic}, with each change and every {every} of its events"


def _job(config: DriftJobConfig) -> str:
    job = config.job
    where = {"hashmap": "in memory (hashmap)", "rocksdb": "on disk (rocksdb)"}[job.state_backend]
    every = duration(job.checkpoint_interval_ms)
    return f"state {where}, checkpoint every {every}, alerts {job.delivery}"


def _kind(table: Any) -> str:
    return str(table.__struct_config__.tag)
