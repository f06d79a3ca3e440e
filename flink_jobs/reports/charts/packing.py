"""Numbers for the page: plotly.js reads arrays as the base64 of their bytes.

A float32 takes 5.3 characters so, as digits about 12.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def packed(values: ArrayLike, dtype: str = "f4") -> dict[str, Any]:
    """An array as plotly.js takes it.

    Examples
    --------
    >>> packed([0.0, 1.0])
    {'dtype': 'f4', 'bdata': 'AAAAAAAAgD8='}
    """
    array = np.ascontiguousarray(values, dtype=f"<{dtype}")
    spec: dict[str, Any] = {"dtype": dtype, "bdata": base64.b64encode(array.tobytes()).decode()}
    if array.ndim > 1:
        spec["shape"] = ", ".join(map(str, array.shape))
    return spec


def unpacked(tree: Any) -> Any:
    """A chart with the arrays of :func:`packed` as such, for who looks at its numbers.

    Examples
    --------
    >>> unpacked({"y": packed([0.0, 1.0])})
    {'y': array([0., 1.], dtype=float32)}
    """
    if isinstance(tree, list):
        return [unpacked(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    if "bdata" not in tree:
        return {key: unpacked(value) for key, value in tree.items()}
    flat = np.frombuffer(base64.b64decode(tree["bdata"]), dtype=f"<{tree['dtype']}")
    return flat.reshape([int(n) for n in tree.get("shape", str(len(flat))).split(",")])
