"""The columns that moved in a model's last incident, by the events that were tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from flink_jobs.dashboard.picture import Picture
from flink_jobs.records.alerts import Alert, AlertKind, Cause, ColumnShift
from flink_jobs.records.evidence import Evidence
from flink_jobs.records.shown import shown
from flink_jobs.reports import column_words, incidents
from flink_jobs.reports.charts import classes, figures
from flink_jobs.reports.charts import moved as glance
from flink_jobs.reports.incidents import IncidentView, MovedColumn

MOST_COLUMNS = 300
_BYTES = 8
_MOST_OF_A_NAME = 200


class ColumnEntry(Struct, frozen=True, kw_only=True):
    """One column that moved; all text is escaped.

    Attributes
    ----------
    name : str
    type : str
        The type, with the unit of numbers.
    words, strength, missing : str
        How it moved, its p-value and effect size, and the shares of missing values.
    drawn : dict or None
        The reference and the window, as plotly.js takes it.
    rows : list of tuple of str
        Its numbers: value, reference and window.
    """

    name: str
    type: str
    words: str
    strength: str
    missing: str
    drawn: dict[str, Any] | None = None
    rows: Sequence[tuple[str, str, str]] = ()


class Moved(Struct, frozen=True, kw_only=True):
    """The columns of one alert, what moved most first.

    Attributes
    ----------
    alert_id : str
    kind : AlertKind
    start_ms, end_ms : int
        Of the window.
    n_ref, n_test : int or None
        Events of the samples that are compared.
    is_sample : bool
        Whether there were more events than that: the alert itself tells of all of them.
    columns : list of ColumnEntry
        At most 300; of the first 6 there are charts.
    confined : list of str
        In which segments alone a column moved; escaped.
    words, drawn : str, dict
        All of them at one glance, in words and as plotly.js takes it.
    mix : dict or None
        The classes that were predicted, as a picture with a note, where the events have their
        probabilities.
    source : str
        By what the columns are drawn: the events that were tested, or the alert alone.
    """

    alert_id: str
    kind: AlertKind
    start_ms: int
    end_ms: int
    n_ref: int | None
    n_test: int | None
    is_sample: bool
    columns: list[ColumnEntry]
    confined: list[str] = []
    words: str = ""
    drawn: dict[str, Any] = {}
    mix: dict[str, Any] | None = None
    source: str = ""


def tells_what_moved(alert: Alert) -> bool:
    """Tell whether an alert is of a window that drifts and names columns."""
    is_open = alert.kind is not AlertKind.RECOVERED
    return alert.cause is Cause.DRIFT and is_open and bool(alert.top_columns)


def moved_of(alert: Alert, evidence: Evidence | None = None, why_not: str = "") -> Moved:
    """Return what is known of columns, in a form that a page can draw.

    Parameters
    ----------
    alert : Alert
        The last one of an incident.
    evidence : Evidence, optional
        The events that were tested in its strongest window, which then take the place of the alert.
    why_not : str
        Why there is no evidence.

    Examples
    --------
    >>> import msgspec
    >>> from flink_jobs.records.schemas import read_example
    >>> moved = moved_of(msgspec.json.decode(read_example("alert"), type=Alert))
    >>> [(each.name, each.type, each.missing) for each in moved.columns]
    [('plan', 'category', 'missing 0 % → 1.2 %'), ('tenure', 'number, months', 'none missing')]
    >>> moved.columns[1].rows
    [('5 %', '1', '2'), ('median', '12.1', '30.4'), ('95 %', '48', '61.5')]
    >>> moved.confined
    ['only where `region` is EU: `plan` (0.81 there, 0.02 elsewhere)']
    """
    source = f"Drawn from the alert alone: {why_not}." if why_not else ""
    if evidence is not None:
        source = _source(alert, evidence)
        alert = _as_tested(alert, evidence)
    sample = alert.sample
    telling = column_words.telling(alert.top_columns)[:MOST_COLUMNS]
    seen = incidents.view_of(alert, alert, evidence)
    drawn = dict(enumerate(seen.columns))
    return Moved(
        alert_id=alert.alert_id,
        kind=alert.kind,
        start_ms=alert.window.start_ms,
        end_ms=alert.window.end_ms,
        n_ref=sample.n_ref if sample else None,
        n_test=sample.n_test if sample else None,
        is_sample=_is_sample(alert),
        columns=[_entry(each, drawn.get(at)) for at, each in enumerate(telling)],
        confined=[column_words.confined(each) for each in alert.segments],
        words=glance.sentence(telling),
        drawn=figures.for_page(glance.chart(telling)),
        mix=_mix(seen),
        source=source,
    )


def _is_sample(alert: Alert) -> bool:
    sample = alert.sample
    return sample is not None and (
        sample.n_ref < alert.reference.n_events or sample.n_test < alert.window.n_tested
    )


def _mix(seen: IncidentView) -> dict[str, Any] | None:
    if seen.mix is None or seen.mix_chart is None:
        return None
    estimated = " and estimated ■" if seen.mix.shift else ""
    words = f"Shares of the classes: reference ○, window ◆{estimated}"
    said = ". ".join(filter(None, [words, classes.accuracy_words(seen.mix).removesuffix(".")]))
    drawn = Picture(said, seen.mix_chart, classes.columns(seen.mix), seen.mix_rows)
    return drawn.plain() | {"note": seen.mix.note}


def _as_tested(alert: Alert, evidence: Evidence) -> Alert:
    """Make the alert that evidence belongs to out of a later one of the same incident."""
    is_same = alert.alert_id == evidence.alert_id
    return replace(
        alert,
        alert_id=evidence.alert_id,
        kind=AlertKind.STARTED if evidence.place == "first" else AlertKind.ONGOING,
        window=evidence.window,
        reference=evidence.reference,
        sample=evidence.sample,
        top_columns=evidence.moves,
        segments=alert.segments if is_same else [],
    )


def _source(alert: Alert, evidence: Evidence) -> str:
    n_now = len(evidence.event_ids) - evidence.n_exemplars
    n_before = max((len(each.reference) for each in evidence.columns), default=0) // _BYTES
    where = "" if alert.alert_id == evidence.alert_id else " in the incident's strongest window"
    return (
        f"Drawn from events that were tested{where}: {n_now:,} of the window and {n_before:,} of "
        "the reference."
    )


def _entry(shift: ColumnShift, drawn: MovedColumn | None) -> ColumnEntry:
    has_missing = shift.ref_missing or shift.test_missing
    chart = None if drawn is None else drawn.chart
    return ColumnEntry(
        name=shown(column_words.name(shift), _MOST_OF_A_NAME),
        type=column_words.type_words(shift),
        words=column_words.moved(shift),
        strength=column_words.strength(shift),
        missing=f"missing {column_words.missing(shift)}" if has_missing else "none missing",
        drawn=None if chart is None else figures.for_page(chart),
        rows=() if drawn is None else drawn.rows,
    )
