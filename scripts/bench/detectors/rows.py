"""The rows of the benchmark: calls that are timed, what must agree, and goals of ratios."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scripts.bench.detectors.agreement import Check, close, same_rejection_counts
from scripts.bench.environments import ALIBI, FROUROS, OURS, RIVER, SCIPY, Peer
from scripts.bench.harness import NO_GOAL, Goal

EXACT = 1e-12


@dataclass(frozen=True)
class Entry:
    """A call that is timed.

    Attributes
    ----------
    info_from : str, optional
        Label of an entry before it whose information is handed over as parameters.
    """

    label: str
    peer: Peer
    case: str
    parameters: dict[str, Any] = field(default_factory=dict)
    info_from: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The time of ``slower`` over that of ``faster``.

    Attributes
    ----------
    checks : tuple of Check
        Applied to the values of ``faster`` and ``slower``; the ratio is worthless if one objects.
    goal : Goal
        Of the ratio; empty where it only informs.
    """

    faster: str
    slower: str
    checks: tuple[Check, ...]
    goal: Goal = NO_GOAL


@dataclass(frozen=True)
class Row:
    """Calls that are timed in turn.

    Attributes
    ----------
    n_events : int
        Events in each call, by which its time is divided; 1 for a test of a whole sample.
    """

    name: str
    title: str
    entries: tuple[Entry, ...]
    comparisons: tuple[Comparison, ...]
    n_events: int = 1


def rows(n_events: int) -> list[Row]:
    """All rows but the long stream; ``n_events`` go into each timed call of a stream."""
    return [
        _ks(),
        _mmd(),
        _online_mmd(n_events),
        _sliding_ks(100, 100, n_events),
        _sliding_ks(1_000, 100, n_events),
        _sliding_ks(1_000, 1_000, n_events),
    ]


def _ks() -> Row:
    # Beyond an effective size of 80 our p-values are Kolmogorov's limit, corrected, which is within
    # 8 % of those of the peers down to 1e-4. alibi-detect rounds D to float32.
    p_values = close("p_values", "p_values", absolute=1e-5, relative=0.1)
    ours, scipy = "KSTest.test", "scipy ks_2samp(axis=0, method='asymp')"
    alibi = "alibi-detect KSDrift.predict"
    scipy_checks = (close("statistics", "statistics", absolute=EXACT), p_values)
    alibi_checks = (close("statistics", "statistics", absolute=1e-7), p_values)
    return Row(
        "ks",
        "Kolmogorov–Smirnov, 1,000 v 1,000 rows, 32 dimensions",
        (
            Entry(ours, OURS, "ks"),
            Entry(scipy, SCIPY, "ks"),
            Entry(alibi, ALIBI, "ks"),
        ),
        (
            Comparison(
                "KSTest.test",
                "scipy ks_2samp(axis=0, method='asymp')",
                scipy_checks,
                Goal(at_least=10),
            ),
            Comparison("KSTest.test", "alibi-detect KSDrift.predict", alibi_checks),
        ),
    )


def _mmd() -> Row:
    checks = (close("statistics", "statistics", absolute=EXACT), same_rejection_counts)
    hundred, thousand = "MMDTest.test, 100 permutations", "MMDTest.test, 1,000 permutations"
    alibi = "alibi-detect MMDDrift.predict, PyTorch, 100 permutations"
    return Row(
        "mmd",
        "MMD, 500 v 500 rows, 32 dimensions",
        (
            Entry(hundred, OURS, "mmd", {"n_permutations": 100}),
            Entry(alibi, ALIBI, "mmd", {"n_permutations": 100}),
            Entry(thousand, OURS, "mmd", {"n_permutations": 1_000}),
        ),
        (
            Comparison(hundred, alibi, checks, Goal(at_least=30)),
            Comparison(hundred, thousand, checks, Goal(below=3)),
        ),
    )


def _online_mmd(n_events: int) -> Row:
    # ert and n_bootstraps only decide how long alibi-detect takes before the first event.
    stream = {"window_size": 100, "n_events": n_events}
    ours, same = "SlidingMMD.update", "SlidingMMD.update, alibi-detect's part of the reference"
    alibi = "alibi-detect MMDDriftOnline.predict, PyTorch"
    batch = close("last", "batch", absolute=EXACT)
    return Row(
        "online-mmd",
        "MMD of a sliding window of 100, 1,000 reference rows, 32 dimensions, per event",
        (
            Entry(ours, OURS, "online_mmd", stream),
            Entry(alibi, ALIBI, "online_mmd", stream | {"n_bootstraps": 500, "ert": 100.0}),
            Entry(same, OURS, "online_mmd", stream, info_from=alibi),
        ),
        (
            # alibi-detect tests against 801 of the rows: its values are those of the other entry
            Comparison(ours, alibi, (lambda a, b: batch(a, a),), Goal(at_least=15)),
            Comparison(same, alibi, (close("statistics", "statistics", absolute=EXACT),)),
        ),
        n_events,
    )


def _sliding_ks(n_ref: int, window_size: int, n_events: int) -> Row:
    stream = {"n_ref": n_ref, "window_size": window_size, "n_events": n_events}
    ours, with_p = "SlidingKS.update", "SlidingKS.update and p_values"
    river, frouros = "river KolmogorovSmirnov revert, update, get", "frouros IncrementalKSTest"
    statistics = close("statistics", "statistics", absolute=EXACT)
    # frouros gives exact p-values, from which the limit is up to 11 % off at equal sizes
    p_values = close("p_values", "p_values", absolute=1e-5, relative=0.15)
    entries = [
        Entry(ours, OURS, "sliding_ks", stream),
        Entry(frouros, FROUROS, "sliding_ks", stream),
        Entry(with_p, OURS, "sliding_ks", stream | {"p_value": True}),
    ]
    comparisons = [
        Comparison(ours, frouros, (statistics,), Goal(at_least=5)),
        Comparison(with_p, frouros, (statistics, p_values)),
    ]
    if n_ref == window_size:  # river knows no other
        entries.insert(1, Entry(river, RIVER, "sliding_ks", stream))
        comparisons.insert(0, Comparison(ours, river, (statistics,), Goal(at_least=5)))
    return Row(
        f"sliding-ks-{n_ref}-{window_size}",
        f"Exact Kolmogorov–Smirnov of a sliding window of {window_size:,}, {n_ref:,} reference "
        "rows, 1 dimension, per event",
        tuple(entries),
        tuple(comparisons),
        n_events,
    )
