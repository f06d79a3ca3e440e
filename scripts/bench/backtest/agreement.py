"""Agreement of a peer's windows with our scores."""

from __future__ import annotations

from typing import Any

from flink_jobs.replay.result import BacktestResult

# alibi-detect gives D in single precision.
_D_TOLERANCE = {"alibi": 1e-7, "nannyml": 1e-12}
# Its p-values are those of the two-sample limit, ours Kolmogorov's with a correction, within 10 %
# where they matter.
_P_TOLERANCE, _LEAST_P = 0.1, 1e-5
_MOST_SHOWN = 5


def objections(name: str, windows: list[dict[str, Any]], result: BacktestResult) -> list[str]:
    """List what differs between a peer's windows and the scores of the same history.

    A score has the largest D of all dimensions, and the smallest p-value times their number.
    """
    ours = {(s.model, s.window.first_event): s for s in result.scores()}
    found: list[str] = []
    for window in windows:
        place = (window["model"], window["first"])
        score = ours.pop(place, None)
        if score is None or score.statistic is None or score.p_value is None:
            found.append(f"{place}: no score of ours")
            continue
        d = max(window["d"])
        if abs(d - score.statistic) > _D_TOLERANCE[name]:
            found.append(f"{place}: D = {d}, ours {score.statistic}")
        if "p" in window:
            p = min(1.0, min(window["p"]) * len(window["p"]))
            if abs(p - score.p_value) > max(_LEAST_P, _P_TOLERANCE * score.p_value):
                found.append(f"{place}: p = {p}, ours {score.p_value}")
    found += [f"{place}: the peer has no such window" for place in ours]
    return found[:_MOST_SHOWN]
