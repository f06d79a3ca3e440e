"""Figures of plotly, made quickly: a report of 1,000 models has more than 1,000 of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from plotly.graph_objects import Bar, Figure, Heatmap, Scatter

are_checked = False
"""Whether plotly checks each property: 5 ms of a timeline, as long as all else. Tests do."""


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
    tree: dict[str, Any] = drawn.to_dict()
    tree["layout"].pop("template", None)
    return {"data": tree["data"], "layout": tree["layout"]}


def encoded(tree: Any) -> str:
    """Write what :func:`for_page` gives as JSON; plotly leaves empty arrays as they are."""
    return json.dumps(tree, separators=(",", ":"), allow_nan=False, default=np.ndarray.tolist)
