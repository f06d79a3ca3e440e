"""When the evidence of a detector first reaches a threshold, whatever the threshold. No imports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Records = list[tuple[int, float]]
"""Rows seen, and the score that was then the highest so far."""


def records_of(scores: Iterable[tuple[int, float]], stop_at: float | None = None) -> Records:
    """Keep the scores that are higher than all before them; end with the first at ``stop_at``.

    Examples
    --------
    >>> records_of([(20, 1.0), (40, 0.5), (60, 3.0), (80, 2.0)])
    [(20, 1.0), (60, 3.0)]
    >>> records_of([(20, 1.0), (40, 0.5), (60, 3.0), (80, 9.0)], stop_at=2.0)
    [(20, 1.0), (60, 3.0)]
    """
    records: Records = []
    for n_rows, score in scores:
        if score > (records[-1][1] if records else float("-inf")):
            records.append((n_rows, score))
            if stop_at is not None and score >= stop_at:
                break
    return records


def first_passage(records: Sequence[Sequence[float]], threshold: float) -> int | None:
    """Give the rows seen when a score first reached the threshold; None where none did.

    Examples
    --------
    >>> first_passage([(20, 1.0), (60, 3.0)], 2.0), first_passage([(20, 1.0)], 2.0)
    (60, None)
    """
    return next((int(n_rows) for n_rows, score in records if score >= threshold), None)
