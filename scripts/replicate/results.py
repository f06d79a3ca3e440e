"""Results on disk: one JSON line for every decision, resumable, never mixed with other settings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from scripts.replicate.scenarios import Scenario

RECORDS = "decisions.jsonl"
UNITS = "units.jsonl"
NATURAL = "natural.json"
HEADER = "configuration.json"
_REPOSITORY = Path(__file__).parents[2]
_PRESENTATION = {
    "__main__.py",
    "paper.py",
    "picture.py",
    "report.py",
    "rates.py",
    "tables.py",
    "verdicts.py",
}

T = TypeVar("T")


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration: all that decides the numbers, apart from the code."""

    methods: tuple[str, ...]
    datasets: tuple[str, ...] = ("mnist", "digits")
    n_runs: int = 5
    shares: tuple[float, ...] = (0.1, 0.5, 1.0)
    sample_sizes: tuple[int, ...] = (10, 20, 50, 100, 200, 500, 1000)
    n_controls: int = 20
    level: float = 0.05
    epochs: int = 25
    n_natural_repeats: int = 10
    n_images: int | None = None
    """Number of images of each dataset, drawn at random; None takes all."""


class Record(msgspec.Struct, frozen=True):
    """One test and its decision."""

    dataset: str
    run: int
    shift: str
    share: float
    repeat: int
    method: str
    sample_size: int
    p_value: float
    detected: bool
    seconds: float


class FinishedUnit(msgspec.Struct, frozen=True):
    """One run on one dataset that is complete, and its label classifier's validation accuracy."""

    dataset: str
    run: int
    accuracy: float


class NaturalRecord(msgspec.Struct, frozen=True):
    """One test of two samples that differ, or not, by nature."""

    comparison: str
    method: str
    sample_size: int
    repeat: int
    p_value: float


class NaturalAccuracy(msgspec.Struct, frozen=True):
    """Accuracy of the label classifier on the reference and on the test images."""

    comparison: str
    reference: float
    test: float


class NaturalResults(msgspec.Struct, frozen=True):
    """The whole natural part, which takes seconds and is kept only when complete."""

    records: list[NaturalRecord]
    accuracies: list[NaturalAccuracy]


class _Header(msgspec.Struct, frozen=True):
    configuration: Configuration
    code: str


Key = tuple[str, int, str, float, int, str, int]


def key(record: Record) -> Key:
    """Return what tells a decision from every other of the same configuration."""
    return (
        record.dataset,
        record.run,
        record.shift,
        record.share,
        record.repeat,
        record.method,
        record.sample_size,
    )


def cell(dataset: str, run: int, scenario: Scenario, method: str, sample_size: int) -> Key:
    """The key that a decision will have."""
    return dataset, run, scenario.shift, scenario.share, scenario.repeat, method, sample_size


class OtherConfigurationError(Exception):
    """The folder holds results of another configuration or of other code."""


class Results:
    """The decisions in a folder; those that are already there are kept.

    Parameters
    ----------
    folder : Path
        Created where it is missing.
    configuration : Configuration

    Raises
    ------
    OtherConfigurationError
        If the folder holds results of another configuration or of other code.
    """

    def __init__(self, folder: Path, configuration: Configuration) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        header_path = folder / HEADER
        header = _Header(configuration, code_digest())
        if header_path.exists():
            _check(header_path, header, folder)
        else:
            header_path.write_bytes(msgspec.json.format(msgspec.json.encode(header)))
        self._folder = folder
        self._finished = {
            (unit.dataset, unit.run) for unit in _complete_lines(folder / UNITS, FinishedUnit)
        }
        self._keys = frozenset(key(record) for record in _complete_lines(folder / RECORDS, Record))

    def is_finished(self, dataset: str, run: int) -> bool:
        """Check that a former run of the program completed this unit."""
        return (dataset, run) in self._finished

    def decided(self, dataset: str, run: int) -> frozenset[Key]:
        """Return what a former run of the program decided about a unit."""
        return frozenset(key for key in self._keys if key[:2] == (dataset, run))

    def append(self, records: Iterable[Record]) -> None:
        """Add decisions to the folder."""
        _append(self._folder / RECORDS, records)

    def finish(self, unit: FinishedUnit) -> None:
        """Note that a unit is complete."""
        _append(self._folder / UNITS, [unit])

    @property
    def has_natural(self) -> bool:
        """Check that the natural part is complete."""
        return (self._folder / NATURAL).exists()

    def keep_natural(self, natural: NaturalResults) -> None:
        """Add the natural part."""
        (self._folder / NATURAL).write_bytes(msgspec.json.encode(natural))


class Saved(NamedTuple):
    """All that a folder holds, whatever code made it."""

    configuration: Configuration
    code: str
    records: list[Record]
    units: list[FinishedUnit]
    natural: NaturalResults | None


def read(folder: Path) -> Saved:
    """Read what ``folder`` holds."""
    header = msgspec.json.decode((folder / HEADER).read_bytes(), type=_Header)
    return Saved(
        header.configuration,
        header.code,
        _complete_lines(folder / RECORDS, Record),
        _complete_lines(folder / UNITS, FinishedUnit),
        _natural(folder / NATURAL),
    )


def remove(folder: Path) -> None:
    """Remove the results in ``folder`` and nothing else."""
    for name in (HEADER, RECORDS, UNITS, NATURAL):
        (folder / name).unlink(missing_ok=True)


def code_digest() -> str:
    """The first digits of a SHA-256 over the library and this package, without its report."""
    paths = sorted(
        path
        for folder in (_REPOSITORY / "detectors", Path(__file__).parent)
        for path in folder.rglob("*.py")
        if path.name not in _PRESENTATION
    )
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _check(header_path: Path, header: _Header, folder: Path) -> None:
    there = msgspec.json.decode(header_path.read_bytes(), type=_Header)
    if there == header:
        return
    what = "other code" if there.configuration == header.configuration else "other settings"
    raise OtherConfigurationError(
        f"{folder} holds results of {what}. Give --fresh to remove them and start over, "
        "or --results with another folder."
    )


def _natural(path: Path) -> NaturalResults | None:
    if not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=NaturalResults)


def _append(path: Path, records: Iterable[msgspec.Struct]) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.Encoder().encode_lines(records))


def _complete_lines(path: Path, kind: type[T]) -> list[T]:
    """The records of ``path``; a last line that was cut off when the program ended is removed."""
    if not path.exists():
        return []
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if len(complete) < len(content):
        path.write_bytes(complete)
    return msgspec.json.Decoder(kind).decode_lines(complete)
