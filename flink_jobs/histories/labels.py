"""True classes of events, as histories hold them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def class_names(values: Iterable[Any]) -> NDArray[np.object_]:
    """The class of each event as text, None where it has none.

    The same class has one name, whatever a file makes of it: a column of integers with a gap is
    read as floats.

    Examples
    --------
    >>> class_names([3, 3.0, "3", float("nan"), "", True]).tolist()
    ['3', '3', '3', None, None, 'true']
    """
    names = [_name(value) for value in values]
    return np.fromiter(names, dtype=object, count=len(names))


def _name(value: Any) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case bytes():
            return value.decode(errors="replace") or None
        case None | "":
            return None
        case _:
            return str(value) if value == value else None
