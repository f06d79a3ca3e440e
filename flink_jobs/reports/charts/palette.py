"""Colours and symbols of all pictures.

The colours are Okabe and Ito's, made to be told apart with any kind of colour vision; a symbol or a
word stands beside each of them all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flink_jobs.records.alerts import AlertKind, ScoreStatus

STATISTIC_COLOUR = "#0072B2"
DRIFT_COLOUR = "#D55E00"
ONGOING_COLOUR = "#E69F00"
RECOVERED_COLOUR = "#009E73"
THRESHOLD_COLOUR = "#6B6B6B"
TRUTH_COLOUR = "#CC79A7"
SILENCE_COLOUR = "#56B4E9"
REFERENCE_COLOUR = "#8A8A8A"
ACCURACY_COLOUR = "#009E73"
INK = "#222222"
_PALE, _MIDDLE, _GREY, _NONE = "#C9DDEC", "#7FB2D6", "#E4E7EA", "rgba(0,0,0,0)"


class Symbol(NamedTuple):
    """How something is marked.

    Attributes
    ----------
    name : str
        For people.
    plotly : str
        Plotly's name of the marker.
    sign : str
        The same as a character.
    colour : str
    """

    name: str
    plotly: str
    sign: str
    colour: str


KINDS = {
    AlertKind.STARTED: Symbol("alert started", "triangle-up", "▲", DRIFT_COLOUR),
    AlertKind.ONGOING: Symbol("alert ongoing", "circle", "●", ONGOING_COLOUR),
    AlertKind.RECOVERED: Symbol("recovered", "triangle-down", "▼", RECOVERED_COLOUR),
}
NOT_TESTED = {
    ScoreStatus.TOO_FEW_EVENTS: Symbol("too few events", "x", "✕", THRESHOLD_COLOUR),
    ScoreStatus.NO_REFERENCE: Symbol("no reference yet", "diamond", "◆", THRESHOLD_COLOUR),
    ScoreStatus.FAILED: Symbol("test failed", "square", "■", THRESHOLD_COLOUR),
}


class Fill(NamedTuple):
    """How an area is filled.

    Attributes
    ----------
    name : str
        For people.
    sign : str
        The same as a character.
    colour : str
    pattern : str
        Plotly's name of the hatching; it tells areas apart without colour.
    ink : str
        Of the hatching.
    """

    name: str
    sign: str
    colour: str
    pattern: str = ""
    ink: str = INK

    @property
    def marker(self) -> dict[str, object]:
        """Plotly's marker of bars that are filled so."""
        pattern = {"shape": self.pattern, "fgcolor": self.ink, "fillmode": "overlay", "size": 5}
        return {"color": self.colour, "line": {"width": 0}, "pattern": pattern}


STATES = (
    Fill("nothing", "", _NONE),
    Fill("no drift", "", _PALE),
    Fill("not tested", "×", _GREY, ".", THRESHOLD_COLOUR),
    Fill("drift", "▲", DRIFT_COLOUR, "/"),
)
"""The results of a stretch of time, by the numbers of :mod:`flink_jobs.reports.charts.overview`."""
CALENDAR = (_NONE, _GREY, _PALE, _MIDDLE, DRIFT_COLOUR)
"""No window, none tested, up to half of the threshold, up to all of it, drift: ever darker."""
MOVED = Fill("moved", "■", DRIFT_COLOUR)
BY_CHANCE = Fill("by chance", "□", _GREY, "/", THRESHOLD_COLOUR)


def scale(colours: Sequence[str]) -> list[tuple[float, str]]:
    """Give plotly's scale for cells that are 0, 1, 2 and so on: each its colour, none between.

    Examples
    --------
    >>> scale(["red", "blue"])
    [(0.0, 'red'), (0.5, 'red'), (0.5, 'blue'), (1.0, 'blue')]
    """
    n = len(colours)
    return [(edge / n, c) for place, c in enumerate(colours) for edge in (place, place + 1)]
