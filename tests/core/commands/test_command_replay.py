"""The order between commands, timers and panes is that of event time, and of nothing else.

A command that took effect when it came is answered with the event time from which it holds. Sent
again with that time, however early, it gives the same alerts and scores.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from flink_jobs.core.actions import Actions
from flink_jobs.records.control import Audit, Outcome, PlacedCommand
from tests.builders import WIDTH_MS, make_pane
from tests.core.watched import Watched, commanded, place, rows

N_PANES = 14
SLIDING = {"size_ms": 3_000, "slide_ms": 1_000}
COUNT = {"kind": "count", "size": 20, "slide": 7}
SESSION = {"kind": "session", "gap_ms": 1_000, "max_size_ms": 4_000}
FIRST_TIME = {"kind": "first_time", "duration_ms": 3_000, "min_events": 20, "max_events": 40}
TRAILING = {"kind": "trailing", "size_ms": 3_000, "step_ms": 1_000, "min_events": 20}
POLICY = {
    "cooldown_ms": 2_000,
    "windows_to_recover": 2,
    "max_alerts": 3,
    "max_alerts_per_ms": 9_000,
}
MORE = {"name": "more", "window": {"kind": "time", "size_ms": 2_000, "slide_ms": 2_000}}
SILENCE = {"after_ms": 2_500}
PCA = {"reducer": {"kind": "pca", "n_components": 2}}

TABLES: list[dict[str, Any]] = [
    {"window": SLIDING},
    {"window": COUNT, "silence": SILENCE},
    {"window": SESSION, "policy": POLICY},
    {"window": SLIDING | {"early_events": 30}, "detector": PCA},
    {"window": SLIDING, "detectors": [MORE], "silence": SILENCE},
    {"window": SLIDING, "reference": FIRST_TIME, "silence": SILENCE},
    {"window": SLIDING, "reference": TRAILING},
    {"window": SLIDING, "reference": {"n_events": 60, "rebaseline": "on_recovery"}},
    {
        "window": SESSION,
        "reference": FIRST_TIME | {"rebaseline": "on_recovery"},
        "detectors": [MORE],
    },
]
CONFIGS = [commanded(calibration={"level": 0.02}, **tables) for tables in TABLES]

CHANGES: list[dict[str, Any]] = [
    {},
    {"calibration": {"level": 0.3}},
    {"detector": PCA},
    {"silence": {"after_ms": 1_200}},
    {"window": COUNT},
    {"window": {"kind": "time"} | SLIDING},
    {"reference": FIRST_TIME},
    {"reference": TRAILING},
    {"detectors": [MORE]},
    {"policy": POLICY},
]


class Sent(NamedTuple):
    """A command as it is drawn; ``delay_ms`` after its gap begins, or at once."""

    kind: str
    keys: dict[str, Any]
    delay_ms: int | None


class Gap(NamedTuple):
    """What happens between two panes: commands, and how far the watermark comes before each.

    The watermark is a share of the way to the next pane.
    """

    sent: list[tuple[float, Sent]]
    watermark: float


class Flink:
    """Panes, timers and commands in an order that Flink could call the monitor in."""

    def __init__(self, watched: Watched, sizes: list[int], shift_from: int) -> None:
        self.watched = watched
        self._sizes = sizes
        self._shift_from = shift_from
        self._timers: set[int] = set()
        self._taken = 0

    def pane(self, index: int) -> None:
        if self._sizes[index]:
            loc = 1.5 if index >= self._shift_from else 0.0
            x = rows(index, self._sizes[index], loc)
            self.watched.pane(make_pane(index, x, first_offset=100 * index))
            self._register()

    def command(self, placed: PlacedCommand) -> None:
        self.watched.take(placed)
        self._register()

    def watermark(self, index: int, share: float) -> None:
        """Event time comes closer to the end of a pane that is still to come; timers fire."""
        start_ms = (index - 1) * WIDTH_MS
        self.reach(start_ms + int(share * (2 * WIDTH_MS - 2)))

    def reach(self, now_ms: int) -> None:
        while self._timers and min(self._timers) <= now_ms:
            due_ms = min(self._timers)
            self._timers.remove(due_ms)
            self.watched.time(due_ms)
            self._register()

    def _register(self) -> None:
        new = self.watched.actions[self._taken :]
        self._taken = len(self.watched.actions)
        self._timers |= {actions.wake_ms for actions in new if actions.wake_ms is not None}


commands = st.builds(
    Sent,
    st.sampled_from(
        ["rebaseline", "approve_current", "pause", "resume", "describe", "acknowledge"]
    ),
    st.just({}),
    st.none() | st.integers(0, 5_000),
) | st.one_of(
    st.builds(
        Sent,
        st.just("snooze"),
        st.builds(lambda until_ms: {"until_ms": until_ms}, st.integers(0, 20_000)),
        st.none() | st.integers(0, 5_000),
    ),
    st.builds(
        Sent,
        st.just("configure"),
        st.builds(lambda change: {"change": change}, st.sampled_from(CHANGES)),
        st.none() | st.integers(0, 5_000),
    ),
)
shares = st.sampled_from([0.0, 0.0, 0.4, 0.6, 1.0])
gaps = st.builds(Gap, st.lists(st.tuples(shares, commands), max_size=2), shares)
streams = st.tuples(
    st.lists(st.sampled_from([0, 0, 8, 20, 33]), min_size=N_PANES, max_size=N_PANES),
    st.integers(0, 2 * N_PANES),
)


def live(flink: Flink, sent: list[Gap]) -> list[PlacedCommand]:
    """Let all happen as drawn; the commands as they lay on the topic."""
    placed: list[PlacedCommand] = []
    for index, gap in enumerate(sent):
        for share, each in gap.sent:
            flink.watermark(index, share)
            keys = dict(each.keys)
            if each.kind == "acknowledge":
                alerts = flink.watched.alerts
                keys["incident_id"] = alerts[-1].incident_id if alerts else "none"
            if each.delay_ms is not None:
                keys["effective_ms"] = max(0, index * WIDTH_MS + each.delay_ms - 1_000)
            placed.append(place(len(placed), each.kind, **keys))
            flink.command(placed[-1])
        flink.watermark(index, gap.watermark)
        flink.pane(index)
    flink.reach((N_PANES + 20) * WIDTH_MS)
    return placed


def with_their_times(placed: list[PlacedCommand], audits: list[Audit]) -> list[PlacedCommand]:
    """The commands that held, or wait still, each with the time of its answer."""
    answers = {a.offset: a for a in audits}
    return [
        msgspec.structs.replace(each, command=_at(each.command, answers[each.offset]))
        for each in placed
        if answers[each.offset].outcome is not Outcome.REFUSED
    ]


def _at(command: Any, answer: Audit) -> Any:
    return msgspec.structs.replace(command, effective_ms=answer.effective_ms)


def last_gap_before(placed: PlacedCommand) -> int:
    """The last gap between panes in which event time has not reached the command's."""
    effective_ms = placed.command.effective_ms or 0
    return min(effective_ms // WIDTH_MS, N_PANES) - 1


def records(watched: Watched) -> list[bytes]:
    return [msgspec.json.encode(each) for each in (watched.alerts, watched.scores)]


def applied(watched: Watched) -> list[tuple[str, int | None, str]]:
    return [
        (a.audit_id, a.effective_ms, a.reason)
        for a in watched.audits
        if a.outcome is Outcome.APPLIED
    ]


@settings(max_examples=25)
@given(
    st.sampled_from(CONFIGS),
    streams,
    st.lists(gaps, min_size=N_PANES, max_size=N_PANES),
    st.data(),
)
def test_a_command_sent_again_with_the_time_of_its_answer_gives_the_same_records(
    config: Any, stream: tuple[list[int], int], sent: list[Gap], data: st.DataObject
) -> None:
    first = Flink(Watched(config), *stream)
    timed = with_their_times(live(first, sent), first.watched.audits)

    again = Flink(Watched(config), *stream)
    # Nothing is earlier than 0: there the order of the topic is all there is.
    at_once = [(0, each) for each in timed if not each.command.effective_ms]
    early = [
        (data.draw(st.integers(0, last_gap_before(each))), each)
        for each in timed
        if each.command.effective_ms
    ]
    early = at_once + data.draw(st.permutations(early))
    for index in range(N_PANES):
        for gap, placed in early:
            if gap == index:
                again.command(placed)
        again.watermark(index, data.draw(shares))
        if data.draw(st.booleans()):
            again.watched.restart()
        again.pane(index)
    again.reach((N_PANES + 20) * WIDTH_MS)

    assert records(again.watched) == records(first.watched)
    assert applied(again.watched) == applied(first.watched)
    assert len({a.audit_id for a in again.watched.audits}) == len(again.watched.audits)


class Restarted(Watched):
    """A model whose process ends after every pane, timer and command."""

    def _keep(self, actions: Actions) -> Actions:
        self.restart()
        return super()._keep(actions)


@settings(max_examples=15)
@given(st.sampled_from(CONFIGS), streams, st.lists(gaps, min_size=N_PANES, max_size=N_PANES))
def test_a_restart_at_any_moment_between_panes_timers_and_commands_changes_nothing(
    config: Any, stream: tuple[list[int], int], sent: list[Gap]
) -> None:
    undisturbed, restarted = Flink(Watched(config), *stream), Flink(Restarted(config), *stream)

    assert live(restarted, sent) == live(undisturbed, sent)

    assert restarted.watched.actions == undisturbed.watched.actions
    assert restarted.watched.state.entries == undisturbed.watched.state.entries
