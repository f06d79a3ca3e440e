"""Count the incidents that a policy starts where nothing drifts: the reason of the default policy.

    python -m scripts.false_incidents

100 models for seven days, windows of ten minutes with 500 events of one number, Kolmogorov-Smirnov
against a reference of 3,000 events, level 0.001. Windows follow one another, or one starts every
two minutes and shares four fifths of its events with the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from detectors.two_sample.ks.ks import KSTest
from flink_jobs.config.tables.policy import PolicyTable
from flink_jobs.core.incidents.lifecycle import Outcome, advance
from flink_jobs.core.state.incident import Incident

N_MODELS, N_REF, N_PANE, LEVEL = 100, 3_000, 100, 0.001
PANE_MS, PANES_OF_WINDOW, PANES_OF_DAY, N_DAYS = 120_000, 5, 720, 7
POLICIES = {k: PolicyTable(windows_to_start=k) for k in (1, 2, 3)}


def main() -> None:
    """Print a table in Markdown: incidents a day, and alerts in brackets."""
    rng = np.random.default_rng(0)
    n_started: Counter[tuple[int, int]] = Counter()
    n_alerts: Counter[tuple[int, int]] = Counter()
    for _ in range(N_MODELS):
        p_values = list(_p_values(rng))
        for slide in (PANES_OF_WINDOW, 1):
            for k, policy in POLICIES.items():
                kinds = _kinds(p_values[::slide], slide, policy)
                n_started[slide, k] += kinds["started"]
                n_alerts[slide, k] += kinds.total()
    print("| `windows_to_start` | one after the other | one every two minutes |")
    print("| --- | --- | --- |")
    for k in POLICIES:
        cells = [
            f"{n_started[s, k] / N_DAYS:.1f} ({n_alerts[s, k] / N_DAYS:.1f})"
            for s in (PANES_OF_WINDOW, 1)
        ]
        print(f"| {k} | {' | '.join(cells)} |")


def _p_values(rng: np.random.Generator) -> Iterator[float]:
    """Yield the p-value of the window that starts with each pane."""
    n_windows = N_DAYS * PANES_OF_DAY
    test = KSTest().fit(rng.normal(size=(N_REF, 1)))
    x = rng.normal(size=((n_windows + PANES_OF_WINDOW - 1) * N_PANE, 1))
    for first in range(n_windows):
        window = x[first * N_PANE : (first + PANES_OF_WINDOW) * N_PANE]
        yield test.test(window, rng=rng).p_value


def _kinds(p_values: Sequence[float], slide: int, policy: PolicyTable) -> Counter[str]:
    incident, kinds = Incident(), Counter[str]()
    for number, p_value in enumerate(p_values):
        start_ms = number * slide * PANE_MS
        closed_ms = start_ms + PANES_OF_WINDOW * PANE_MS
        outcome = Outcome(start_ms, closed_ms, p_value <= LEVEL, p_value, 0.0)
        alert = advance(incident, outcome, policy=policy, new_incident_id=str(number))
        if alert is not None:
            kinds[alert.kind] += 1
    return kinds


if __name__ == "__main__":
    main()
