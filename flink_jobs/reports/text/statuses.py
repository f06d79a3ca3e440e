"""Status records for people: a table of all models, and one of all that is known of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from flink_jobs.config.smallest_shifts import in_words
from flink_jobs.records.alerts import MAIN_VIEW, ReferenceSummary, ScoreStatus
from flink_jobs.records.shown import shown
from flink_jobs.records.status import (
    WORST_FIRST,
    DetectorSummary,
    ModelState,
    ModelStatus,
    OpenIncident,
    Promise,
    ViewSummary,
    WindowResult,
)
from flink_jobs.records.wording import count, watcher_name
from flink_jobs.reports.text.alerts import names_of
from flink_jobs.reports.words import p_value
from flink_jobs.times import duration, moment, span

# A symbol and a word stand beside every colour, for those who cannot see it and for plain text.
_STATES = {
    ModelState.CRITICAL: ("▲", "critical drift", "bold red"),
    ModelState.DRIFT: ("△", "drift", "bold red"),
    ModelState.FAILING: ("!", "tests fail", "red"),
    ModelState.NO_REFERENCE: ("∅", "no reference", "red"),
    ModelState.SILENT: ("○", "silent", "yellow"),
    ModelState.FORGOTTEN: ("◌", "forgotten", "dim"),
    ModelState.UNSTABLE: ("≈", "unstable reference", "yellow"),
    ModelState.PAUSED: ("‖", "paused", "yellow"),
    ModelState.COLLECTING: ("…", "collecting", "cyan"),
    ModelState.UNTESTED: ("–", "not tested", "yellow"),
    ModelState.QUIET: ("✓", "no drift", "green"),
}
_UNTESTED = {
    ScoreStatus.TOO_FEW_EVENTS: "too few events",
    ScoreStatus.NO_REFERENCE: "no reference yet",
    ScoreStatus.FAILED: "its test failed",
}
_MOST_OF_A_CHANGE = 1_000


def worst_first(statuses: Iterable[ModelStatus]) -> list[ModelStatus]:
    """Order statuses by state, then by name."""
    return sorted(statuses, key=lambda each: (WORST_FIRST.index(each.state), each.model))


def newest_first(statuses: Iterable[ModelStatus]) -> list[ModelStatus]:
    """Order statuses by what they tell of, the newest first."""
    return sorted(statuses, key=lambda each: (-each.at_ms, each.model))


def statuses_table(statuses: Iterable[ModelStatus]) -> Table:
    """Return a table with a row for each model, in the order given."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "state", "reference", "last window", "last events", "as of"):
        table.add_column(name, overflow="fold")
    for status in statuses:
        table.add_row(
            Text(shown(status.model), style="bold"),
            _state(status),
            Text("\n".join(_references(status))),
            Text("\n".join(_last_windows(status))),
            Text(_moment_or(status.heard_ms, "none yet")),
            Text(_moment_or(status.at_ms or None, "its first event"), style="dim"),
        )
    return table


def status_table(status: ModelStatus, state_bytes: int | None = None) -> Table:
    """Return a table of all that is known of a model, one property a row."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(status, state_bytes):
        table.add_row(f"    {name}", Text(shown(value, _MOST_OF_A_CHANGE)))
    return table


def _state(status: ModelStatus) -> Text:
    symbol, word, style = _STATES[status.state]
    text = Text(f"{symbol} {word}", style=style)
    for remark in _remarks(status):
        text.append(f"\n{remark}", style="not bold default")
    return text


def _remarks(status: ModelStatus) -> Iterator[str]:
    """Details that the word for the state does not say."""
    if status.is_paused and status.state is not ModelState.PAUSED:
        yield "paused"
    if status.snoozed_until_ms is not None:
        yield f"snoozed until {moment(status.snoozed_until_ms)}"
    if status.is_collecting and status.state is not ModelState.COLLECTING:
        yield "collecting a reference"
    if n_untold := sum(not each.is_told for each in status.incidents):
        yield f"{count(n_untold, 'incident')} held back"
    if status.n_pending:
        yield f"{count(status.n_pending, 'command')} waiting"


def _references(status: ModelStatus) -> Iterator[str]:
    for view in status.views:
        name = watcher_name(view.view, "main")
        text = _progress(view) if view.phase == "collecting" else _since(view.reference)
        yield f"{shown(name)}: {text}" if name else text


def _progress(view: ViewSummary) -> str:
    """How far the reference has come."""
    text = f"{view.n_collected:,} of {view.n_wanted:,} events"
    if view.complete_ms is not None:
        text += f", until {moment(view.complete_ms)}"
    return text


def _since(reference: ReferenceSummary) -> str:
    text = f"{reference.n_events:,} events"
    return text if reference.end_ms is None else f"{text}, since {moment(reference.end_ms)}"


def _last_windows(status: ModelStatus) -> Iterator[str]:
    for view in status.views:
        for detector in view.detectors:
            if detector.last_window is not None:
                name = watcher_name(view.view, detector.detector)
                text = _window(detector.last_window)
                yield f"{shown(name)}: {text}" if name else text


def _window(last: WindowResult) -> str:
    """When it was, what came out, and the numbers behind that."""
    when = span(last.window.start_ms, last.window.end_ms)
    if last.status is not ScoreStatus.TESTED:
        return f"{when}: not tested, {_UNTESTED[last.status]}"
    verdict = "drift" if last.is_drift else "no drift"
    return f"{when}: {verdict}, {_numbers(last)}"


def _numbers(last: WindowResult) -> str:
    statistic = "–" if last.statistic is None else f"{last.statistic:.3g}"
    threshold = last.threshold.statistic if last.threshold else None
    text = f"statistic {statistic}"
    if threshold is not None:
        text += f" against {threshold:.3g}"
    return text if last.p_value is None else f"{text}, {p_value(last.p_value)}"


def _rows(status: ModelStatus, state_bytes: int | None) -> Iterator[tuple[str, str]]:
    yield "state", _STATES[status.state][1]
    for view in status.views:
        yield from _view_rows(view, is_one_of_several=len(status.views) > 1)
    yield "event time", _moment_or(status.at_ms or None, "not known yet")
    yield "last events", _moment_or(status.heard_ms, "none yet")
    yield "paused", "yes, until resume" if status.is_paused else "no"
    snoozed_ms = status.snoozed_until_ms
    yield "snoozed", "no" if snoozed_ms is None else f"until {moment(snoozed_ms)}"
    for incident in status.incidents:
        yield "incident", _incident(incident)
    if not status.incidents:
        yield "incident", "none is open"
    yield "configuration", status.config_version
    yield "change", status.change or "none, as in the job's file"
    yield "waiting", count(status.n_pending, "command")
    if state_bytes is not None:
        yield "state in bytes", f"{state_bytes:,}"


def _view_rows(view: ViewSummary, *, is_one_of_several: bool) -> Iterator[tuple[str, str]]:
    if is_one_of_several or view.view != MAIN_VIEW:
        yield "view", view.view
    yield "phase", view.phase
    yield "reference", _reference(view)
    yield "events", f"{view.n_monitored:,} since the reference"
    for detector in view.detectors:
        named = names_of(MAIN_VIEW, detector.detector)
        for name, text in _detector_rows(detector):
            yield name, ", ".join([text, *named])


def _reference(view: ViewSummary) -> str:
    reference = view.reference
    if view.phase == "collecting" or not reference.n_events:
        return f"{_progress(view)} so far"
    text = f"{reference.n_events:,} events"
    if reference.start_ms is not None and reference.end_ms is not None:
        text += f" of {span(reference.start_ms, reference.end_ms)}"
    return f"{text} ({reference.fingerprint})"


def _detector_rows(detector: DetectorSummary) -> Iterator[tuple[str, str]]:
    yield "promise", _promise(detector.promise)
    if detector.finds:
        yield "finds", in_words(detector.finds)
    if detector.evidence is not None:
        yield "evidence", _evidence(detector, detector.evidence)
    if detector.last_window is not None:
        yield "last window", _window(detector.last_window)


def _promise(promise: Promise) -> str:
    if promise.run_time is None:
        return f"a window drifts at a p-value of {promise.level:g} or less"
    text = f"{_amount(promise.run_time, promise.unit)} on average until a false alarm"
    return f"{text}, for {promise.confidence:.0%} of references"


def _evidence(detector: DetectorSummary, evidence: float) -> str:
    promise = detector.promise
    if promise.unit == "ms":
        return f"{duration(int(evidence))} of {_amount(promise.run_time or 0.0, promise.unit)}"
    return f"{evidence:,.0f} of {_amount(promise.run_time or 0.0, promise.unit)}"


def _amount(run_time: float, unit: str | None) -> str:
    return duration(int(run_time)) if unit == "ms" else f"{run_time:,.0f} {unit}"


def _incident(incident: OpenIncident) -> str:
    parts = [
        f"{incident.incident_id}  {incident.cause.replace('_', ' ')}",
        *names_of(incident.view, incident.detector),
        incident.severity.value,
        "acknowledged" if incident.is_acknowledged else "",
        "" if incident.is_told else "held back",
    ]
    return ", ".join(filter(None, parts))


def _moment_or(time_ms: int | None, otherwise: str) -> str:
    return otherwise if time_ms is None else moment(time_ms)
