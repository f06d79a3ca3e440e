"""Results that a scenario hands to the report."""

from __future__ import annotations

from msgspec import Struct


class Options(Struct, frozen=True, kw_only=True):
    """How large the scenarios are.

    Attributes
    ----------
    runs, events, soak_events, payloads, seed : int
    readers : int
        Subtasks of the job that read the inference topic.
    is_named : bool
        Whether soaks have named columns and two views, of inputs and of outputs.
    """

    runs: int
    events: int
    soak_events: int
    payloads: int
    seed: int
    readers: int = 2
    is_named: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """The figures of one scenario.

    Attributes
    ----------
    name : str
    command : str
        Does all of it again.
    fault : str
        What was done to the job, half a sentence.
    events : int
        Events of one run; payloads, for the fuzzer.
    runs : int
    result : str
        For the last column of the summary.
    header, rows : list
        A table of details.
    notes : str
        Markdown, above the table of details.
    """

    name: str
    command: str
    fault: str
    events: int
    runs: int
    result: str
    notes: str
    header: list[str] = []
    rows: list[list[str]] = []
