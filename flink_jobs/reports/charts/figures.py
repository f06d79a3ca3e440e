"""Figures of plotly, made quickly: a report of 1,000 models has more than 1,000 of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from plotly.graph_objects import Bar, Figure, Heatmap, Scatter

are_checked = False
"""True makes plotly check each property. It takes 5 ms of a timeline, half of it; tests do so."""


def line(**properties: Any) -> Scatter:
    """Make a line through points."""
    return Scatter({"mode": "lines", **properties}, _validate=are_checked)


def points(**properties: Any) -> Scatter:
    """Make points that no line joins."""
    return line(**{"mode": "markers", **properties})


def bars(**properties: Any) -> Bar:
    """Make bars."""
    return Bar(properties, _validate=are_checked)


def heatmap(**properties: Any) -> Heatmap:
    """Make a rectangle of coloured cells."""
    return Heatmap(properties, _validate=are_checked)


def figure(traces: Iterable[Scatter | Bar | Heatmap], **layout: Any) -> Figure:
    """Put traces on axes.

    Examples
    --------
    >>> drawn = figure([points(x=[1], y=[2])], height=100)
    >>> drawn.data[0].mode, drawn.layout.height
    ('markers', 100)
    """
    # An empty template keeps plotly's own, 8 kB, out.
    return Figure(list(traces), {"template": {}, **layout}, _validate=are_checked)


def short(values: ArrayLike) -> NDArray[np.float32]:
    """Give numbers in single precision: 5.3 characters each in a page, as digits about 12."""
    return np.ascontiguousarray(values, dtype=np.float32)


def for_page(drawn: Figure) -> dict[str, Any]:
    """Give a figure as plotly.js takes it, arrays as base64 of their bytes.

    Examples
    --------
    >>> drawn = figure([points(y=short([0, 1]))], height=100)
    >>> for_page(drawn)["data"][0]["y"]
    {'dtype': 'f4', 'bdata': 'AAAAAAAAgD8='}
    >>> for_page(drawn)["layout"]
    {'height': 100}
    """
    data = [trace.to_plotly_json() for trace in drawn.data]
    layout = drawn.layout.to_plotly_json()
    layout.pop("template", None)
    return {"data": _plain(data), "layout": _plain(layout)}


def _plain(value: Any) -> Any:
    """Do what plotly's own ``to_dict`` does, in a tenth of the time."""
    if isinstance(value, np.ndarray):
        return _packed(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _packed(values: NDArray[Any]) -> Any:
    if values.dtype.kind not in "iuf" or not values.size:
        return values.tolist()
    # plotly.js knows no integers of 64 bits.
    array = np.ascontiguousarray(values, "<f8" if values.dtype.itemsize == 8 else None)
    packed = {"dtype": array.dtype.str[1:], "bdata": base64.b64encode(array.tobytes()).decode()}
    return packed | ({"shape": ", ".join(map(str, array.shape))} if array.ndim > 1 else {})


def encoded(tree: Any) -> str:
    """Write what :func:`for_page` gives as JSON."""
    return json.dumps(tree, separators=(",", ":"), allow_nan=False)
