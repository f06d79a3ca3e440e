"""Colours and symbols of all pictures.

The colours are Okabe and Ito's, made to be told apart with any kind of colour vision; a symbol or a
word stands beside each of them all the same.
"""

from __future__ import annotations

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


class Symbol(NamedTuple):
    """How something is marked.

    Attributes
    ----------
    name : str
        For people.
    plotly, matplotlib : str
        What the libraries call the marker.
    sign : str
        The same as a character.
    colour : str
    """

    name: str
    plotly: str
    matplotlib: str
    sign: str
    colour: str


KINDS = {
    AlertKind.STARTED: Symbol("alert started", "triangle-up", "^", "▲", DRIFT_COLOUR),
    AlertKind.ONGOING: Symbol("alert ongoing", "circle", "o", "●", ONGOING_COLOUR),
    AlertKind.RECOVERED: Symbol("recovered", "triangle-down", "v", "▼", RECOVERED_COLOUR),
}
NOT_TESTED = {
    ScoreStatus.TOO_FEW_EVENTS: Symbol("too few events", "x", "x", "✕", THRESHOLD_COLOUR),
    ScoreStatus.NO_REFERENCE: Symbol("no reference yet", "diamond", "D", "◆", THRESHOLD_COLOUR),
    ScoreStatus.FAILED: Symbol("test failed", "square", "s", "■", THRESHOLD_COLOUR),
}
