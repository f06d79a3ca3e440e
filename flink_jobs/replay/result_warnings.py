"""The warnings of a result: what is odd about a history or was not tested, a sentence each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Source
from flink_jobs.histories.known_drifts.shift_table import Shift
from flink_jobs.records.alerts import ScoreStatus, StormSummary
from flink_jobs.records.dead_letters import DeadLetter, Reason
from flink_jobs.records.wording import count, first_names
from flink_jobs.replay.result import ModelSummary
from flink_jobs.times import moment

# Of all events; fewer are not a sign of a mistake.
_NOTED_SHARE = 0.01
# The year 1973: before, seconds were meant.
_EARLIEST_MS = 10**11
_MOST_NAMED = 5
# Fewer may be a history of a minute of many models.
_FEWEST_MODELS = 50
_EVENTS_PER_MODEL = 2
_TOPIC_SCHEME = "kafka://"
_UNTESTED = {
    ScoreStatus.TOO_FEW_EVENTS: "held fewer events than window.min_events",
    ScoreStatus.FAILED: "had a test that ended with an error",
    ScoreStatus.NO_REFERENCE: "had too few events for a reference, or none could be made of them",
}
_UNIT = "times are milliseconds since 1970"


def event_warnings(
    config: DriftJobConfig,
    source: Source,
    reasons: Mapping[str, int],
    *,
    n_events: int,
    n_used: int,
    start_ms: int | None,
    models: Mapping[str, ModelSummary],
    latest_ms: int = 0,
    letters: Sequence[DeadLetter] = (),
) -> list[str]:
    """Say of the events and windows of a backtest, in process or on Flink, what must be known.

    ``reasons`` counts the dead letters, of which ``letters`` are some; ``start_ms`` is None where
    no event has a time, and ``latest_ms`` says how late the latest event came; 0 if that is not
    known.
    """
    n_files = len(source.sources)
    return [
        *(untested_warning(models) if n_used else unused_warning()),
        *models_warning(len(models), n_events, is_topic=source.name.startswith(_TOPIC_SCHEME)),
        *failed_warning(models),
        *refused_warning(reasons, n_events, letters),
        *late_warning(config, reasons.get(Reason.LATE, 0), n_events, latest_ms, n_files=n_files),
        *future_warning(reasons.get(Reason.FAR_FUTURE, 0), n_events),
        *([] if start_ms is None else early_warning(start_ms)),
    ]


def storm_warnings(storms: Mapping[str, StormSummary]) -> list[str]:
    """Say that models had their alerts held back; ``storms`` has the last word on each storm.

    Examples
    --------
    >>> from flink_jobs.records.alerts import Cause
    >>> storm = StormSummary(of_cause=Cause.DRIFT, n_models=100, n_open=0, models=[], columns=[],
    ...                      views=[], first_ms=1_767_225_600_000, last_ms=1_767_225_600_000)
    >>> print(*storm_warnings({"id": storm}))
    100 models moved in one storm, since 2026-01-01 00:00 UTC, whose alerts stand for theirs: they \
count as quiet where nothing else was raised
    """
    most = [
        f"{count(storm.n_models, 'model')} moved in one storm, since {moment(storm.first_ms)}, "
        "whose alerts stand for theirs: they count as quiet where nothing else was raised"
        for storm in sorted(storms.values(), key=lambda each: each.first_ms)
    ]
    more = len(most) - _MOST_NAMED
    return most[:_MOST_NAMED] + ([f"there were {count(more, 'more storm')}"] if more > 0 else [])


def unused_warning() -> list[str]:
    """Say that nothing was tested since no event could be used."""
    return ["no event could be used, so nothing was tested"]


def models_warning(n_models: int, n_events: int, *, is_topic: bool) -> list[str]:
    """Say that nearly every event has a model of its own, as where keys are those of requests.

    Examples
    --------
    >>> (note,) = models_warning(1_200, 1_200, is_topic=True)
    >>> note.partition(";")[0]
    'nearly every key is new: 1,200 models in 1,200 events'
    """
    if n_models < _FEWEST_MODELS or n_events >= _EVENTS_PER_MODEL * n_models:
        return []
    what, asked = (
        ("key", "is the topic keyed by request?")
        if is_topic
        else ("model", "does columns.model name requests?")
    )
    return [
        f"nearly every {what} is new: {n_models:,} models in {n_events:,} events; {asked} Say "
        "where the model is by columns.model, or its name by columns.model_name"
    ]


def unseen_warning(seen: Set[str], unseen: Set[str]) -> list[str]:
    """Name the columns that had a value in no event; ``unseen`` had none with some models.

    Examples
    --------
    >>> unseen_warning({"age", "plan"}, {"plan", "regoin"})
    ['no event has a value of regoin: is its path right?']
    """
    never = sorted(unseen - seen)
    if not never:
        return []
    are = "is its path" if len(never) == 1 else "are their paths"
    return [f"no event has a value of {first_names(never, _MOST_NAMED)}: {are} right?"]


def untested_warning(models: Mapping[str, ModelSummary]) -> list[str]:
    """Say of which models no window was tested, and why.

    Examples
    --------
    >>> untested_warning({"a": ModelSummary(n_scores=3, untested={"too_few_events": 3})})
    ['no window was tested: each of 3 held fewer events than window.min_events']
    """
    untested = {name: each for name, each in models.items() if not each.n_tested}
    if not untested:
        return []
    if len(untested) == len(models):
        windows = sum((Counter(each.untested) for each in models.values()), Counter[str]())
        return [f"no window was tested: {_why_untested(windows)}"]
    named = [f"{name} ({_why_untested(each.untested)})" for name, each in sorted(untested.items())]
    n = f"{len(untested):,} of {len(models):,} models"
    return [f"no window was tested of {n}: {first_names(named, _MOST_NAMED)}"]


def failed_warning(models: Mapping[str, ModelSummary]) -> list[str]:
    """Say of which models tests ended with an error, while other windows were tested.

    Examples
    --------
    >>> failed_warning({"a": ModelSummary(n_scores=9, n_tested=8, untested={"failed": 1})})
    ['tests ended with an error, the scores say which: a (1 of 9)']
    """
    failed = {name: each.untested.get(ScoreStatus.FAILED, 0) for name, each in models.items()}
    named = [
        f"{name} ({n:,} of {models[name].n_scores:,})"
        for name, n in sorted(failed.items())
        if n and models[name].n_tested
    ]
    if not named:
        return []
    return [f"tests ended with an error, the scores say which: {first_names(named, _MOST_NAMED)}"]


def _why_untested(windows: Mapping[str, int]) -> str:
    """Return what kept windows, counted by status, from being tested."""
    if not windows:
        return "none ended after the reference was complete"
    parts = [
        f"{n:,} {_UNTESTED.get(ScoreStatus(status), status)}"
        for status, n in sorted(windows.items())
    ]
    return f"each of {parts[0]}" if len(parts) == 1 else " and ".join(parts)


def refused_warning(
    reasons: Mapping[str, int], n_events: int, letters: Sequence[DeadLetter] = ()
) -> list[str]:
    """Say which reasons refused many events: those refused may differ from those used.

    Of the dead letters at hand the most frequent detail is said.

    Examples
    --------
    >>> refused_warning({Reason.NOT_FINITE: 30, Reason.UNDECODABLE: 1}, 1_000)
    ['30 of 1,000 events were refused as not_finite: what is tested may differ from what came']
    """
    details: dict[str, Counter[str]] = {}
    for letter in letters:
        details.setdefault(letter.reason, Counter())[letter.detail] += 1
    return [
        f"{n:,} of {n_events:,} events were refused as {reason}{_such_as(details.get(reason))}: "
        "what is tested may differ from what came"
        for reason, n in reasons.items()
        # These two have notes of their own.
        if n > _NOTED_SHARE * n_events and reason not in (Reason.LATE, Reason.FAR_FUTURE)
    ]


def _such_as(details: Counter[str] | None) -> str:
    if not details:
        return ""
    # Of equals the first in the order of texts: processes find them in any order.
    detail = min(details, key=lambda text: (-details[text], text))
    return f" ({detail})"


def future_warning(n_future: int, n_events: int) -> list[str]:
    """Say that many events lie ahead of the clock, as where microseconds were meant."""
    if n_future <= _NOTED_SHARE * n_events:
        return []
    ahead = f"{n_future:,} of {n_events:,} events lie ahead of the clock and were not used"
    return [f"{ahead}: {_UNIT}"]


def early_warning(start_ms: int) -> list[str]:
    """Say that the first event is so early that its time is probably of another unit.

    Examples
    --------
    >>> early_warning(1_767_225_600)
    ['the first event is of 1970-01-21: times are milliseconds since 1970']
    """
    if start_ms >= _EARLIEST_MS:
        return []
    return [f"the first event is of {moment(start_ms).split()[0]}: {_UNIT}"]


def late_warning(
    config: DriftJobConfig, n_late: int, n_events: int, latest_ms: int, *, n_files: int
) -> list[str]:
    """Say that many events came too late."""
    if n_late <= _NOTED_SHARE * n_events:
        return []
    latest = f"; the latest came {latest_ms:,} ms late" if latest_ms else ""
    overlap = f'; where the {n_files:,} files overlap in time, set columns.files = "side_by_side"'
    return [
        f"{n_late:,} of {n_events:,} events came too late and were not used: raise "
        f"input.max_out_of_orderness_ms, which is {config.input.max_out_of_orderness_ms:,}{latest}"
        f"{overlap if n_files > 1 and config.columns.files == 'in_turn' else ''}"
    ]


def accuracy_warning(problem: str) -> list[str]:
    """Say why no accuracy was counted."""
    return [f"accuracy is not counted: {problem}"] if problem else []


def duplicate_warning(n_duplicates: int) -> list[str]:
    """Say that events came again."""
    if not n_duplicates:
        return []
    return [f"{n_duplicates:,} events came twice, with one id and one time, and were counted once"]


def reference_warning(missing: Mapping[str, int], unusable: Mapping[str, int]) -> list[str]:
    """Say of models that had no reference when the history was over why they had none.

    Parameters
    ----------
    missing : mapping of str to int
        How many events the reference lacks of each such model.
    unusable : mapping of str to int
        How many references were complete, and no detector could be fitted to them.

    Examples
    --------
    >>> for note in reference_warning({"a": 90, "b": 20}, {"a": 3}):
    ...     print(note)
    no reference could be made of what came, the alerts say why: a (3 times)
    the reference was still being collected at the end: b lacks 20 events
    """
    refused = [f"{n} ({count(unusable[n], 'time')})" for n in sorted(missing) if n in unusable]
    lacking = [f"{n} lacks {k:,} events" for n, k in sorted(missing.items()) if n not in unusable]
    notes = {
        "no reference could be made of what came, the alerts say why": refused,
        "the reference was still being collected at the end": lacking,
    }
    return [f"{what}: {first_names(named, _MOST_NAMED)}" for what, named in notes.items() if named]


def shift_warning(shifts: Sequence[Shift], effective: Set[int]) -> list[str]:
    """Name the shifts of which no event shows anything: their drifts cannot be found."""
    names = [
        f"{shift.name or shift.__struct_config__.tag} (shifts[{place}])"
        for place, shift in enumerate(shifts)
        if place not in effective
    ]
    if not names:
        return []
    return [f"simulated shifts that changed no event: {first_names(names, _MOST_NAMED)}"]
