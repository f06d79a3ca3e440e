"""The file that ``loudly init`` writes."""

from __future__ import annotations

from collections.abc import Sequence

from flink_jobs.config.tables.watching import ExpectedRunTimeConfig
from flink_jobs.records.shown import shown_argument
from flink_jobs.records.wording import count
from flink_jobs.setup.column_tables import ColumnLine
from flink_jobs.setup.places import Place
from flink_jobs.setup.proposal import Proposal
from flink_jobs.setup.values import classes_text
from flink_jobs.setup.writing import UNSURE, Writer, toml, toml_key
from flink_jobs.times import duration, span

_MOST_LEFT_OUT = 200
_LONGEST_VALUE = 100
# A longer one is watched by itself, through its main directions.
_SMALL_VECTOR = 8
# The default, written down so that it is read: it decides how often somebody is called for nothing.
_QUIET_WINDOWS = 1_000
_DEFAULTS = ("@key", "@timestamp")


def job_toml(proposal: Proposal, output: str = "job.toml") -> str:
    """Write the configuration of a proposal, with the reason on each line.

    Parameters
    ----------
    proposal : Proposal
    output : str
        What the file will be called, for the commands in its first lines.
    """
    body = Writer()
    _kafka(body, proposal)
    _input(body, proposal)
    _columns(body, proposal)
    _left_out(body, proposal)
    _column_lines(body, "columns.features", proposal.tables.features)
    _column_lines(body, "columns.outputs", proposal.tables.outputs)
    _views(body, proposal)
    _timing(body, proposal)
    return _head(proposal, output, body.n_unsure) + "\n" + body.text()


def _head(proposal: Proposal, output: str, n_unsure: int) -> str:
    writer = Writer()
    writer.remark(_seen(proposal))
    if n_unsure:
        verb = "is a guess" if n_unsure == 1 else "are guesses"
        writer.remark(
            f"{count(n_unsure, 'line')} marked {UNSURE.strip(': ')} {verb} that the data alone "
            "does not settle: look at those first."
        )
    else:
        writer.remark("Nothing had to be guessed; have a look all the same.")
    source, output = shown_argument(proposal.sample.source), shown_argument(output)
    writer.commands(
        "Next:",
        f"loudly validate {output} --sample {source}",
        f"loudly backtest --config {output} --input {source} --output replayed",
        "loudly report replayed --output report.html",
        f"loudly sandbox --config {output} --input {source}",
    )
    writer.block()
    writer.line("version", 1)
    return writer.text()


def _seen(proposal: Proposal) -> str:
    sample, order = proposal.sample, proposal.order
    n = proposal.traffic.n_events
    total = f"{'' if sample.is_exact else 'about '}{count(n, 'event')}"
    when = "" if proposal.time.is_order else f" of {span(*_whole_seconds(order.span_ms))}"
    looked = proposal.recognised.n_rows or len(sample)
    some = f"; it looked at {looked:,}" if looked < n else ""
    notes = "".join(f"; {note}" for note in (*sample.notes, *proposal.recognised.notes))
    bad = proposal.recognised.n_unreadable
    if bad:
        notes += f"; {count(bad, 'record')} of the sample cannot be read, such as "
        notes += proposal.recognised.unreadable
    return f"Written by loudly init from {sample.source}: {total}{when}{some}{notes}."


def _whole_seconds(span_ms: tuple[int, int]) -> tuple[int, int]:
    return span_ms[0] // 1_000 * 1_000, span_ms[1] // 1_000 * 1_000


def _kafka(writer: Writer, proposal: Proposal) -> None:
    sample = proposal.sample
    writer.block("[kafka]")
    if sample.holder == "topic":
        writer.line("bootstrap_servers", sample.bootstrap_servers)
        writer.line("inference_topic", sample.topic)
        if proposal.properties:
            writer.line("properties", proposal.properties)
        return
    why = "for the job; backtests of files need none"
    writer.line("bootstrap_servers", "127.0.0.1:9092", why)
    writer.line("inference_topic", "inference", "to which the service writes the same events")


def _input(writer: Writer, proposal: Proposal) -> None:
    found, tables, order = proposal.recognised, proposal.tables, proposal.order
    writer.block("[input]")
    if proposal.sample.holder == "table":
        writer.line("format", "json", "of the events on the topic; a table needs none")
    else:
        writer.line("format", found.format, _FORMATS[found.format])
    if found.envelope != "none":
        writer.line("envelope", found.envelope, _ENVELOPES[found.envelope])
    if tables.n_features:
        writer.line("n_features", tables.n_features, "numbers without names, in a list")
    if tables.n_outputs:
        writer.line("n_outputs", tables.n_outputs, "class probabilities: they sum to 1")
    if tables.n_features or tables.features:
        why = "a feature that goes missing then shows as drift, not as dead letters"
        writer.line("missing_features", "allow", why)
    if order.bound_ms:
        _lateness(writer, proposal)


def _lateness(writer: Writer, proposal: Proposal) -> None:
    order = proposal.order
    bound_ms = order.bound_ms
    if proposal.time.is_order or not order.is_none:
        why = f"events come up to {duration(order.late_ms)} after newer ones"
        writer.line("max_out_of_orderness_ms", bound_ms, why)
        return
    why = (
        f"rows are in no order of time: some come {duration(order.late_ms)} after newer ones. "
        "This bound lets all pass and every window waits for it; better sort the file by time"
    )
    writer.line("max_out_of_orderness_ms", bound_ms, "", why)


_FORMATS = {
    "loudly": "Loudly's own events",
    "json": "JSON objects",
    "open_inference": "requests and responses of the Open Inference Protocol, version 2",
    "kserve_v1": "instances and predictions of KServe, version 1",
    "sagemaker": "SageMaker's data capture",
}
_ENVELOPES = {
    "cloudevents": "each event is the data of a CloudEvent",
    "confluent": "a zero byte and the number of a schema come first",
}


def _columns(writer: Writer, proposal: Proposal) -> None:
    time, tables = proposal.time, proposal.tables
    writer.block("[columns]")
    _place(writer, proposal.model_key, proposal.model)
    _place(writer, "time", time.place)
    if time.unit != "ms":
        writer.line("time_unit", time.unit)
    if time.says_zone:
        writer.line("time_zone", "UTC", "", "times name no zone; Europe/Berlin, if that is theirs")
    if proposal.event_id is not None:
        named = proposal.event_id
        writer.line("event_id", named.text, named.reason, named.unsure)
    if (label := proposal.roles.label) is not None:
        reason = proposal.roles.label_reason
        comment = f"true classes: {classes_text(label)}"
        if reason.startswith("?"):
            writer.line("label", label.text, comment, reason[1:])
        else:
            writer.line("label", label.text, f"{reason}: {classes_text(label)}")
    if tables.features_at:
        writer.line("features_at", tables.features_at, "where features lie, by their names")
    if tables.outputs_at:
        writer.line("outputs_at", tables.outputs_at, "and what the model answered")
    if proposal.order.are_side_by_side:
        why = "files overlap in time, or their names are not in order of time"
        writer.line("files", "side_by_side", why)


def _place(writer: Writer, key: str, place: Place) -> None:
    if place.text in _DEFAULTS and not place.unsure:
        # The default of topics, and not a place in files: only said.
        writer.said(key, place.text, place.reason)
        return
    writer.line(key, place.text, place.reason, place.unsure)


def _left_out(writer: Writer, proposal: Proposal) -> None:
    left_out = [*proposal.roles.left_out, *proposal.tables.left_out]
    if not left_out:
        return
    writer.block()
    writer.remark("Left out:")
    rows = [(facts.text, why) for facts, why in left_out[:_MOST_LEFT_OUT]]
    if len(left_out) > _MOST_LEFT_OUT:
        rows.append(("...", f"and {len(left_out) - _MOST_LEFT_OUT:,} more"))
    writer.columns(rows)


def _column_lines(writer: Writer, table: str, lines: Sequence[ColumnLine]) -> None:
    """Write columns as lines, and those with many keys or class names as tables of their own."""
    if not lines:
        return
    short = [line for line in lines if len(toml(line.value)) <= _LONGEST_VALUE]
    if short:
        writer.block(f"[{table}]")
    for line in short:
        writer.line(line.name, line.value, line.comment, line.unsure)
    for line in lines:
        if line in short:
            continue
        writer.block(f"[{table}.{toml_key(line.name)}]")
        for place, (key, value) in enumerate(line.value.items()):
            comment, unsure = ("", "") if place else (line.comment, line.unsure)
            writer.line(key, value, comment, unsure)


def _views(writer: Writer, proposal: Proposal) -> None:
    tables = proposal.tables
    vectors = [line for line in tables.features if line.n_slots > _SMALL_VECTOR]
    others = [line for line in tables.features if line.n_slots <= _SMALL_VECTOR]
    if others or tables.n_features:
        columns = [line.name for line in others] if vectors else ["features"]
        _view(writer, "inputs", columns, "what the model sees, column by column")
        _fewer_cells(writer, proposal, others)
    for place, line in enumerate(vectors):
        own = "embedding" if len(vectors) == 1 else f"embedding-{place + 1}"
        _view(writer, own, [line.name], "a vector is watched by its main directions")
        writer.line("reducer", {"kind": "pca", "n_components": min(32, line.n_slots)})
    if tables.outputs or tables.n_outputs:
        _view(writer, "outputs", ["outputs"], "what it answers")


def _view(writer: Writer, name: str, columns: list[str], why: str) -> None:
    writer.block("[[views]]")
    writer.line("name", name)
    writer.line("columns", columns, why)


def _fewer_cells(writer: Writer, proposal: Proposal, lines: Sequence[ColumnLine]) -> None:
    """Name the test that follows from the columns, for its number of cells."""
    categories = [line.is_category for line in lines]
    if not proposal.n_cells or (categories and all(categories)):
        return
    kind = "mixed" if any(categories) else "ks"
    why = "as many columns would be too much state with all values of the reference"
    writer.line("test", {"kind": kind, "n_cells": proposal.n_cells}, why)


def _timing(writer: Writer, proposal: Proposal) -> None:
    timing = proposal.timing
    writer.block("[panes]")
    writer.line("width_ms", timing.width_ms, "windows consist of panes; an alert waits for one")
    if timing.max_raw_events:
        why = "as many events as may come in a pane"
        writer.line("max_raw_events", timing.max_raw_events, why)
    writer.block("[window]")
    writer.line("kind", "time")
    writer.line("size_ms", timing.size_ms, f"{duration(timing.size_ms)}: {timing.size_reason}")
    writer.line("slide_ms", timing.slide_ms, f"one starts every {duration(timing.slide_ms)}")
    if timing.min_events:
        why = "windows with fewer are not whole days; take less if some days are quiet by nature"
        writer.line("min_events", timing.min_events, "", why)
    _reference(writer, proposal)
    _calibration(writer, proposal)
    _policy(writer, proposal)


def _calibration(writer: Writer, proposal: Proposal) -> None:
    table = ExpectedRunTimeConfig(windows=_QUIET_WINDOWS)
    writer.block("[calibration]")
    writer.line("kind", "expected_run_time", "how rare a false alarm is while nothing drifts")
    time = duration(_QUIET_WINDOWS * proposal.timing.slide_ms)
    why = f"once in {time} or less often, for {table.confidence:.0%} of all references"
    writer.line("windows", _QUIET_WINDOWS, why)


def _policy(writer: Writer, proposal: Proposal) -> None:
    timing = proposal.timing
    if not (timing.min_effect_size or timing.ongoing_every_ms):
        return
    writer.block("[policy]")
    if timing.ongoing_every_ms:
        why = f"while drift lasts, an alert every {duration(timing.ongoing_every_ms)}"
        writer.line("ongoing_every_ms", timing.ongoing_every_ms, why)
    if timing.min_effect_size:
        why = (
            "windows with that number of events show shifts that are too small to matter: those "
            "below this size raise no alert"
        )
        writer.line("min_effect_size", timing.min_effect_size, why)


def _reference(writer: Writer, proposal: Proposal) -> None:
    timing = proposal.timing
    writer.block("[reference]")
    trust = 'what windows are compared with; with the data of the training, take kind = "artefact"'
    if timing.duration_ms:
        writer.line("kind", "first_time", trust)
        writer.line("duration_ms", timing.duration_ms, timing.reference_reason, timing.unsure)
        if timing.max_events:
            why = "of these; more would be too much state"
            writer.line("max_events", timing.max_events, why)
        return
    writer.line("kind", "first_events", trust)
    writer.line("n_events", timing.n_reference, timing.reference_reason, timing.unsure)
    if timing.overdue_after_ms:
        why = (
            f"they come in about {duration(timing.overdue_after_ms / 2)}: an alert after twice that"
        )
        writer.line("overdue_after_ms", timing.overdue_after_ms, why)
