"""The policy by its definition: at each test, all that lies behind is looked at anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from flink_jobs.config.tables.policy import PolicyTable


class Look(NamedTuple):
    """A test of the window number ``window`` at ``at_ms``."""

    window: int
    at_ms: int
    p_value: float
    effect_size: float = 0.0
    is_early: bool = False
    is_snoozed: bool = False


class Said(NamedTuple):
    """An alert: what it says, and which test opened its incident."""

    kind: str
    opened_by: int
    severity: str
    is_flapping: bool
    n_suppressed: int


class _Raised(NamedTuple):
    test: int
    incident: int
    said: Said | None


def expected_alerts(tests: Sequence[Look], policy: PolicyTable, level: float) -> list[Said | None]:
    """The alert that each test writes, or None."""
    return _Story(tests, policy, level).tell()


class _Story:
    def __init__(self, tests: Sequence[Look], policy: PolicyTable, level: float) -> None:
        self.tests, self.policy, self.level = tests, policy, level
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.raised: list[_Raised] = []

    def tell(self) -> list[Said | None]:
        return [self._step(now) for now in range(len(self.tests))]

    def _step(self, now: int) -> Said | None:
        is_open = len(self.starts) > len(self.ends)
        if not is_open:
            return self._while_closed(now) if self._drifts(now) else None
        if self._is_over(now):
            return self._recovered(now)
        return self._while_open(now) if self._drifts(now) else None

    def _while_closed(self, now: int) -> Said | None:
        # A later test of a window takes the place of the earlier one, and stands where it came.
        last_test = {self.tests[i].window: i for i in self._since_recovery(now)}
        recent = sorted(last_test.values())
        recent = recent[-(self.policy.start_within_windows or self.policy.windows_to_start) :]
        if sum(map(self._drifts, recent)) < self.policy.windows_to_start:
            return None
        if self.ends and self._ms(self.ends[-1], now) < self.policy.cooldown_ms:
            self.raised.append(_Raised(now, -1, None))
            return None
        self.starts.append(now)
        return self._raise(now)

    def _while_open(self, now: int) -> Said | None:
        mine = [each for each in self.raised if each.incident == self.starts[-1]]
        written = [each.said for each in mine if each.said is not None]
        is_news = not written or written[-1].severity != self._severity(now)
        if is_news or self._ms(mine[-1].test, now) >= self.policy.ongoing_every_ms:
            return self._raise(now)
        return None

    def _is_over(self, now: int) -> bool:
        since = self._since_recovery(now)
        unquiet = max(i for i in since if not self._is_normal(i))
        calm = {self.tests[i].window for i in since if i > unquiet}
        is_quiet = self._ms(unquiet, now) >= self.policy.flapping_within_ms
        return len(calm) >= self.policy.windows_to_recover and (is_quiet or not self._flaps())

    def _recovered(self, now: int) -> Said | None:
        first = self.starts[-1]
        seen = [each.said for each in self.raised if each.incident == first and each.said]
        said = None
        if seen:
            said = Said("recovered", first, self._severity(now), self._flaps(), self._held_back())
            self.raised.append(_Raised(now, first, said))
        self.ends.append(now)
        return said

    def _raise(self, now: int) -> Said | None:
        first, said = self.starts[-1], None
        counted = [
            each
            for each in self.raised
            if each.said is not None
            and each.said.kind != "recovered"
            and self._ms(each.test, now) < self.policy.max_alerts_per_ms
        ]
        is_too_many = 0 < self.policy.max_alerts <= len(counted)
        if not (self.tests[now].is_snoozed or is_too_many):
            was_seen = any(each.incident == first and each.said for each in self.raised)
            kind = "ongoing" if was_seen else "started"
            said = Said(kind, first, self._severity(now), self._flaps(), self._held_back())
        self.raised.append(_Raised(now, first, said))
        return said

    def _flaps(self) -> bool:
        first = self.starts[-1]
        near = [s for s in self.starts if self._ms(s, first) < self.policy.flapping_within_ms]
        return 0 < self.policy.flapping_after <= len(near)

    def _severity(self, now: int) -> str:
        threshold = self.policy.critical_effect_size
        drifts = [i for i in range(self.starts[-1], now + 1) if self._drifts(i)]
        sizes = [self.tests[i].effect_size for i in drifts]
        return "critical" if threshold is not None and max(sizes) >= threshold else "warning"

    def _held_back(self) -> int:
        """Since the last alert that was written."""
        saids = [each.said for each in self.raised]
        return next((n for n, said in enumerate(reversed(saids)) if said), len(saids))

    def _since_recovery(self, now: int) -> range:
        return range(self.ends[-1] + 1 if self.ends else 0, now + 1)

    def _drifts(self, test: int) -> bool:
        return self.tests[test].p_value <= self.level and not self._is_tiny(test)

    def _is_normal(self, test: int) -> bool:
        p_value = self.tests[test].p_value
        if p_value <= self.level:
            return self._is_tiny(test)
        return p_value > (self.policy.recover_level or 0.0)

    def _is_tiny(self, test: int) -> bool:
        return self.tests[test].effect_size < self.policy.min_effect_size

    def _ms(self, earlier: int, later: int) -> int:
        return self.tests[later].at_ms - self.tests[earlier].at_ms


def off_or(least: int, most: int) -> st.SearchStrategy[int]:
    return st.just(0) | st.integers(least, most)


@st.composite
def policies(draw: st.DrawFn, level: float, unit_ms: int = 1) -> PolicyTable:
    """Policies that can be; their times are multiples of ``unit_ms``."""
    k = draw(st.integers(1, 3))
    return PolicyTable(
        windows_to_start=k,
        start_within_windows=draw(off_or(k, 6)),
        windows_to_recover=draw(st.integers(1, 3)),
        recover_level=draw(st.sampled_from([None, level, 0.3])),
        ongoing_every_ms=unit_ms * draw(off_or(1, 20)),
        cooldown_ms=unit_ms * draw(off_or(1, 20)),
        max_alerts=draw(off_or(1, 4)),
        max_alerts_per_ms=unit_ms * draw(st.integers(1, 60)),
        flapping_after=draw(off_or(2, 4)),
        flapping_within_ms=unit_ms * draw(st.integers(1, 60)),
        min_effect_size=draw(st.sampled_from([0.0, 0.3])),
        critical_effect_size=draw(st.sampled_from([None, 0.5])),
    )
