"""Paths: how a configuration says where a value lies in an event."""

from __future__ import annotations

import re
from collections.abc import Sequence

Path = tuple[str | int, ...]
"""Keys of objects and places in lists, from the outermost on; empty for the event itself."""

_STEP = re.compile(
    r"""\.?(?P<name>[^.\[\]"\s][^.\[\]]*)   # a key
    | \[(?P<place>\d{1,9})\]                 # a place in a list, from 0
    | \["(?P<quoted>(?:[^"\\]|\\.)*)"\]      # a key that holds dots or brackets
    """,
    re.VERBOSE,
)
_BARE = re.compile(r'[^.\[\]"\s][^.\[\]]*')
MOST_STEPS = 32


def parse_path(text: str) -> Path:
    """Read a path.

    Keys are separated by dots, places in lists stand in brackets and count from 0, and a key that
    holds dots or brackets is quoted in brackets. A leading ``$`` is the event itself.

    Parameters
    ----------
    text : str

    Raises
    ------
    ValueError
        When it is not a path.

    Examples
    --------
    >>> parse_path("request.features.plan"), parse_path("$.inputs[0]"), parse_path('a["b.c"]')
    (('request', 'features', 'plan'), ('inputs', 0), ('a', 'b.c'))
    """
    rest = text
    if text.startswith("$") and (len(text) == 1 or text[1] in ".["):
        rest = text[1:]
    steps: list[str | int] = []
    place = 0
    while place < len(rest):
        found = _STEP.match(rest, place)
        is_joined = found is not None and (rest[place] in ".[" or not place)
        if found is None or not is_joined or len(steps) == MOST_STEPS:
            raise ValueError(f"{text!r} is not a path such as request.features.plan or inputs[0]")
        if found["place"] is not None:
            steps.append(int(found["place"]))
        elif found["quoted"] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", found["quoted"]))
        else:
            steps.append(found["name"])
        place = found.end()
    return tuple(steps)


def path_text(path: Sequence[str | int]) -> str:
    """Write a path as people write it, such that :func:`parse_path` reads the same.

    A first key that begins with ``@`` or ``$`` is quoted: bare ones are of a record, or the event.

    Examples
    --------
    >>> path_text(("inputs", 0, "a.b", "c")), path_text(("@", 0))
    ('inputs[0]["a.b"].c', '["@"][0]')
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _BARE.fullmatch(step) and (text or step[0] not in "@$"):
            text += f".{step}" if text else step
        else:
            quoted = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text
