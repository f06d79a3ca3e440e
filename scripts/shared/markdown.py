"""Tables of pages that scripts write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, n_left: int = 1) -> str:
    """Write a Markdown table whose first ``n_left`` columns are text, and the others numbers.

    Examples
    --------
    >>> print(table(["call", "s"], [["a", "1.0"]]))
    | call | s |
    | --- | ---: |
    | a | 1.0 |
    """
    marks = ["---"] * n_left + ["---:"] * (len(header) - n_left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *rows))
