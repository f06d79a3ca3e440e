"""The tables of a configuration that choose a detector with memory of its own.

One struct for each kind of ``detectors.SEQUENTIAL_DETECTORS``; its tag is the kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from flink_jobs.config.tables.base import PositiveInt, Problem, Table
from flink_jobs.config.tables.policy import PolicyTable

Unit = Literal["events", "ms"]
"""The unit of a promised run time: events, or milliseconds of the panes that hold events."""

Scheme = Literal["shiryaev_roberts", "cusum"]
MaxRows = Annotated[int, Meta(ge=8, le=1_000_000)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]

_SCORE_PANES = 60


class PromisedRunTime(Table, frozen=True, kw_only=True):
    """The keys of all detectors that promise a time until the first false alarm.

    Attributes
    ----------
    run_time_events, run_time_ms : int, optional
        The promise: while nothing changes, so many events come, or so much time passes, on average
        before the first alarm. Exactly one of the two.
    confidence : float
        How sure the promise is: it holds for so large a share of references.
    quiet_share : float
        An incident recovers when no alarm came within this share of the run time.
    score_every_ms : int, optional
        A score says at this interval how much evidence there is; 60 panes by default.
    """

    run_time_events: PositiveInt | None = None
    run_time_ms: PositiveInt | None = None
    confidence: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.9
    quiet_share: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.1
    score_every_ms: PositiveInt | None = None

    @property
    def unit(self) -> Unit:
        """The unit of the run time."""
        return "ms" if self.run_time_events is None else "events"

    @property
    def run_time(self) -> int:
        """The promised run time in its unit."""
        run_time = self.run_time_events or self.run_time_ms
        assert run_time is not None  # noqa: S101 - checked when the configuration was loaded
        return run_time

    @property
    def quiet(self) -> float:
        """How long an incident stays open without an alarm, in the unit of the run time."""
        return self.quiet_share * self.run_time

    def weight(self, n_events: int, width_ms: int) -> float:
        """Return how much of the run time passes with a pane that holds events."""
        return float(n_events if self.unit == "events" else width_ms)

    def score_every(self, width_ms: int) -> int:
        """Return the interval of scores over panes of ``width_ms``."""
        return self.score_every_ms or _SCORE_PANES * width_ms


class CountsEDetectorConfig(
    PromisedRunTime, frozen=True, kw_only=True, tag_field="kind", tag="counts_e_detector"
):
    """An e-detector on the counts of cells: for numbers and categories, of any distribution."""

    scheme: Scheme = "shiryaev_roberts"
    n_cells: Annotated[int, Meta(ge=2, le=1_000)] = 6


class KernelEDetectorConfig(
    PromisedRunTime, frozen=True, kw_only=True, tag_field="kind", tag="kernel_e_detector"
):
    """An e-detector that bets on the witness of a kernel, from random Fourier features."""

    scheme: Scheme = "shiryaev_roberts"
    n_features: Annotated[int, Meta(ge=2, le=65_536, multiple_of=2)] = 256
    n_components: Annotated[int, Meta(ge=1, le=1_000)] = 64
    bandwidth: Annotated[float, Meta(gt=0.0, le=1e140)] | Literal["median"] = "median"
    seed: Seed = 0


class ConformalEDetectorConfig(
    PromisedRunTime, frozen=True, kw_only=True, tag_field="kind", tag="conformal_e_detector"
):
    """An e-detector that bets on conformal p-values of columns and of whole events."""

    scheme: Scheme = "shiryaev_roberts"
    max_rows: MaxRows = 10_000


class ClassifierEDetectorConfig(
    PromisedRunTime, frozen=True, kw_only=True, tag_field="kind", tag="classifier_e_detector"
):
    """An e-detector that bets on a classifier, which learns online to tell the stream apart."""

    scheme: Scheme = "shiryaev_roberts"
    n_products: Annotated[int, Meta(ge=0, le=10_000)] = 64
    max_rows: MaxRows = 10_000
    seed: Seed = 0


SequentialTable = (
    CountsEDetectorConfig
    | KernelEDetectorConfig
    | ConformalEDetectorConfig
    | ClassifierEDetectorConfig
)
"""All kinds."""


def sequential_parameters(table: SequentialTable) -> dict[str, object]:
    """Return the parameters of a detector by the names that ``detectors`` has for them."""
    parameters: dict[str, object] = msgspec.structs.asdict(table)
    for name in msgspec.structs.asdict(PromisedRunTime()):
        parameters.pop(name)
    return {"run_time": table.run_time, "confidence": table.confidence, **parameters}


def sequential_identity(table: SequentialTable) -> tuple[object, ...]:
    """Return what the state of a detector depends on: all but how much evidence is an alarm."""
    parameters = sequential_parameters(table)
    parameters.pop("run_time")
    return table.__struct_config__.tag, table.unit, parameters


def check_sequential(key: str, table: SequentialTable, width_ms: int) -> Iterator[Problem]:
    """Yield what is wrong with the table at ``key`` over panes of ``width_ms``."""
    if (table.run_time_events is None) == (table.run_time_ms is None):
        both = "neither" if table.run_time_events is None else "both"
        yield Problem(
            f"{key}.run_time_events",
            f"{both} of run_time_events and run_time_ms",
            "one of them: how many events, or how much time, on average before a false alarm",
        )
    every_ms = table.score_every_ms
    if every_ms is not None and every_ms % width_ms:
        yield Problem(
            f"{key}.score_every_ms",
            f"{every_ms} is not a multiple of panes.width_ms = {width_ms}",
            f"{width_ms}, {2 * width_ms}, {3 * width_ms}, ...",
        )


_OF_WINDOWS = (
    "windows_to_start",
    "start_within_windows",
    "windows_to_recover",
    "recover_level",
    "min_effect_size",
    "critical_effect_size",
)


def check_sequential_policy(key: str, policy: PolicyTable) -> Iterator[Problem]:
    """Refuse keys of a policy that a detector without windows would pass over."""
    usual = PolicyTable()
    for name in _OF_WINDOWS:
        value = getattr(policy, name)
        if value != getattr(usual, name):
            yield Problem(
                f"{key}.{name}",
                f"{value}, and a sequential detector has neither windows, p-values nor effect "
                "sizes: its first alarm starts an incident",
                "nothing; sequential.quiet_share says when an incident ends",
            )


def policy_of_sequential(policy: PolicyTable) -> PolicyTable:
    """Return a policy in which each alarm counts, whatever it says of windows and effects."""
    return msgspec.structs.replace(
        policy,
        windows_to_start=1,
        start_within_windows=0,
        windows_to_recover=1,
        recover_level=None,
        min_effect_size=0.0,
        critical_effect_size=None,
    )
