"""The ``[[shifts]]`` tables: what the simulator does to which events, and when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from detectors.shifts import Intensity
from flink_jobs.config.tables.base import ConfigError, NonNegativeInt, PositiveInt, Problem, Table
from flink_jobs.config.toml_files import read_table

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
CM_TO_INCH = 1 / 2.54
_MOST_RECURRENCES = 10_000


class BaseShift(Table, frozen=True, kw_only=True):
    """Keys that all shifts have.

    Attributes
    ----------
    start_ms, end_ms : int
        Event time ``[start_ms, end_ms)``; no event outside is touched.
    models : str
        A model, or a pattern in which ``*`` is any text.
    share : float
        Share of the events that are touched, each by its own chance; of ``knock_out``, of the
        events of the class.
    form : str
        ``sudden``: that share all the time. ``gradual``: from no event at the start linearly up to
        that share at the end. ``recurring``: that share for ``on_ms``, none for ``off_ms``, and so
        on.
    seed : int
        Which events are touched, and how, follows from (seed, place among the shifts, event id,
        event time) alone.
    name : str
        Of the drift in the ground truth; the kind by default.
    """

    start_ms: NonNegativeInt
    end_ms: PositiveInt
    models: Annotated[str, Meta(min_length=1)] = "*"
    share: Share = 1.0
    form: Literal["sudden", "gradual", "recurring"] = "sudden"
    on_ms: NonNegativeInt = 0
    off_ms: NonNegativeInt = 0
    seed: NonNegativeInt = 0
    name: str = ""


class ColumnShift(BaseShift, frozen=True, kw_only=True):
    """A shift of some columns; of all where none is named. Columns are counted from 0."""

    columns: list[NonNegativeInt] = msgspec.field(default_factory=list)


class NoiseShift(ColumnShift, frozen=True, kw_only=True, tag_field="kind", tag="noise"):
    """Gaussian noise.

    Attributes
    ----------
    intensity : str or float
        The standard deviation: a number, or ``small``, ``medium`` or ``large`` for 1, 10 or 100 of
        255 where pixels lie in [0, 1].
    clip : tuple of float, optional
        The least and the largest value that noise may lead to.
    """

    intensity: Intensity | Positive = "medium"
    clip: tuple[float, float] | None = None


class ImageMoveShift(ColumnShift, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    """Images are rotated, translated, sheared, zoomed and flipped, each in its own way.

    The columns, in order, are the pixels of an image of ``image_shape``: height, width and, where
    there are any, channels. Images with a missing pixel stay as they are.
    """

    image_shape: Annotated[list[PositiveInt], Meta(min_length=2, max_length=3)]
    intensity: Intensity = "medium"


class KnockOutShift(BaseShift, frozen=True, kw_only=True, tag_field="kind", tag="knock_out"):
    """Events of one class disappear. An event's class is its label, else its largest output."""

    knocked_out: int | str


class ClassMixShift(BaseShift, frozen=True, kw_only=True, tag_field="kind", tag="class_mix"):
    """Other shares of the classes, by leaving events out.

    Afterwards a class is as frequent as it was, times its weight; classes without one have 1. An
    event's class is its label, else its largest output.
    """

    weights: Annotated[dict[str, Annotated[float, Meta(ge=0.0)]], Meta(min_length=1)]


class ScalingShift(ColumnShift, frozen=True, kw_only=True, tag_field="kind", tag="scaling"):
    """Values move away from ``centre``, ``factor`` times as far as they were."""

    factor: float
    centre: float = 0.0


class MissingShift(ColumnShift, frozen=True, kw_only=True, tag_field="kind", tag="missing"):
    """Values become missing (NaN): of a touched event, each with the chance ``intensity``."""

    intensity: Share = 1.0


class UnitShift(ColumnShift, frozen=True, kw_only=True, tag_field="kind", tag="unit"):
    """Another unit: ``factor * x + offset``; centimetres become inches by default."""

    factor: float = CM_TO_INCH
    offset: float = 0.0


class RenamedShift(ColumnShift, frozen=True, kw_only=True, tag_field="kind", tag="renamed"):
    """Categories get other codes: of each pair in ``codes`` the first becomes the second."""

    codes: Annotated[list[tuple[float, float]], Meta(min_length=1)]


class DelayShift(BaseShift, frozen=True, kw_only=True, tag_field="kind", tag="delay"):
    """Events carry a later time: ``delay_ms`` after their own."""

    delay_ms: PositiveInt


Shift = (
    NoiseShift
    | ImageMoveShift
    | KnockOutShift
    | ClassMixShift
    | ScalingShift
    | MissingShift
    | UnitShift
    | RenamedShift
    | DelayShift
)


class _ShiftFile(Table, frozen=True):
    shifts: list[Shift] = msgspec.field(default_factory=list)


def read_shifts(path: Path) -> list[Shift]:
    """Read the ``[[shifts]]`` of a TOML file.

    Raises
    ------
    ConfigError
        With one problem for each thing wrong.
    """
    shifts = read_table(path, _ShiftFile).shifts
    if problems := check_shifts(shifts):
        located = [msgspec.structs.replace(each, key=f"{path}: {each.key}") for each in problems]
        raise ConfigError(located)
    return shifts


def check_shifts(shifts: Sequence[Shift]) -> list[Problem]:
    """List problems between the keys of shifts; ranges of single keys are checked on decoding.

    Examples
    --------
    >>> [str(each) for each in check_shifts([UnitShift(start_ms=5, end_ms=5)])]
    ['shifts[0].end_ms: 5 is not after start_ms; allowed: 6 or more']
    """
    return [
        msgspec.structs.replace(problem, key=f"shifts[{place}].{problem.key}")
        for place, shift in enumerate(shifts)
        for problem in (*_check_time(shift), *_check_kind(shift))
    ]


def _check_time(shift: Shift) -> Iterator[Problem]:
    if shift.end_ms <= shift.start_ms:
        wrong, allowed = f"{shift.end_ms} is not after start_ms", f"{shift.start_ms + 1} or more"
        yield Problem("end_ms", wrong, allowed)
    for name in ("on_ms", "off_ms"):
        value, recurs = getattr(shift, name), shift.form == "recurring"
        if recurs != (value > 0):
            allowed = "1 or more" if recurs else "0, or form = 'recurring'"
            yield Problem(name, f"is {value} with form = {shift.form!r}", allowed)
    # Each time it is on is a drift of its own: milliseconds over a year would never end.
    n = (shift.end_ms - shift.start_ms) // max(1, shift.on_ms + shift.off_ms)
    if shift.form == "recurring" and min(shift.on_ms, shift.off_ms) and n > _MOST_RECURRENCES:
        yield Problem("on_ms", f"makes {n:,} drifts", f"up to {_MOST_RECURRENCES:,} with off_ms")


def _check_kind(shift: Shift) -> Iterator[Problem]:
    match shift:
        case ImageMoveShift(columns=[_, *_] as columns, image_shape=image_shape):
            if len(columns) != math.prod(image_shape):
                wrong = f"{len(columns)} columns are not an image of {image_shape}"
                yield Problem("columns", wrong, f"{math.prod(image_shape)}, or none for all")
        case NoiseShift(clip=(low, high)) if low >= high:
            yield Problem("clip", f"{[low, high]} holds no stretch", "the smaller number first")
        case RenamedShift(codes=codes) if len({old for old, _ in codes}) < len(codes):
            yield Problem("codes", "one code would become two", "each first code once")
        case ClassMixShift(weights=weights) if not any(weights.values()):
            yield Problem("weights", "are all 0", "at least one above 0")
    yield from _check_finite(shift)


def _check_finite(shift: Shift) -> Iterator[Problem]:
    for name in ("factor", "offset", "centre", "intensity"):
        value = getattr(shift, name, 0.0)
        if isinstance(value, float) and not math.isfinite(value):
            yield Problem(name, f"is {value}", "a finite number")
