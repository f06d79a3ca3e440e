"""The backtests behind a comparison: each run once, as many at a time as there are cores.

A folder holds what was run: ``runs/<digest>`` is the backtest of one configuration. What is there
is not run again, so a comparison that was interrupted goes on where it ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.evaluation.compare.grid import Combination
from flink_jobs.histories.errors import BacktestError
from flink_jobs.histories.input_files import InputFiles
from flink_jobs.histories.known_drifts.shift_table import Shift
from flink_jobs.replay.engine import run_backtest
from flink_jobs.replay.processes import TellOwn, run_tasks
from flink_jobs.replay.result import SUMMARY_FILE, BacktestResult

INPUT_FILE = "input.json"
RUNS_FOLDER = "runs"


class Progress(NamedTuple):
    """``n_done`` of ``n_total`` configurations are done, counting parts of those that run.

    ``label`` is one of those that run or come next; empty at the end.
    """

    n_done: float
    n_total: int
    label: str


@dataclass(frozen=True)
class Runs:
    """The backtests in the folder of a comparison.

    Parameters
    ----------
    folder : Path
    source : str or InputFiles
        As :func:`~flink_jobs.histories.in_memory.at_hand` gives it.
    shifts : sequence of Shift
        Simulated in every run.

    Raises
    ------
    BacktestError
        When the folder cannot be written, holds something else, or runs over another input.
    """

    folder: Path
    source: str | InputFiles
    shifts: Sequence[Shift]

    def __post_init__(self) -> None:
        try:
            self._claim()
        except OSError as error:
            raise BacktestError(f"{self.folder} cannot be written: {error.strerror}") from error

    def of(self, config: DriftJobConfig) -> BacktestResult:
        """The finished backtest of a configuration.

        Raises
        ------
        BacktestError
            When there is none.
        """
        return BacktestResult.open(self._place(config))

    def run_missing(
        self,
        combinations: Sequence[Combination],
        processes: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        """Run what is not there yet.

        Each backtest has one process, and as many run at a time as there may be. Where there are
        fewer, they run one after the other and divide their models between all.
        """
        missing = {self._place(each.config): each for each in combinations}
        missing = {place: each for place, each in missing.items() if not _is_finished(place)}
        labels = [each.label for each in missing.values()]
        tell = _teller(labels, len(combinations), on_progress)
        tasks = [
            partial(_run, each.config, self.source, place, self.shifts)
            for place, each in missing.items()
        ]
        if 1 < processes <= len(tasks):
            run_tasks([partial(task, 1) for task in tasks], tell, at_once=processes)
            return
        for place, task in enumerate(tasks):
            tell(place, 0, 1)
            task(processes, partial(tell, place))

    def _place(self, config: DriftJobConfig) -> Path:
        # Properties hold addresses and secrets, and say nothing of what is found.
        kafka = msgspec.structs.replace(config.kafka, properties={})
        shown = msgspec.structs.replace(config, kafka=kafka)
        digest = hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:16]
        return self.folder / RUNS_FOLDER / digest

    def _claim(self) -> None:
        """Write down what the runs in this folder are about, or check that it is the same."""
        claim = msgspec.json.encode(_identity(self.source, self.shifts))
        path = self.folder / INPUT_FILE
        self.folder.mkdir(parents=True, exist_ok=True)
        others = sorted(each.name for each in self.folder.iterdir())
        # Results are written next to it: the job.toml of somebody else would be lost.
        if others and INPUT_FILE not in others:
            raise BacktestError(
                f"{self.folder} holds something else ({others[0]}): name a folder of its own"
            )
        # Without a run nothing is lost, as after a mistyped path.
        is_used = any(self.folder.glob(f"{RUNS_FOLDER}/*/{SUMMARY_FILE}"))
        if is_used and path.read_bytes() != claim:
            raise BacktestError(
                f"{self.folder} holds a comparison over another input, other shifts, or an input "
                "that has changed since: choose another folder, or remove it"
            )
        path.write_bytes(claim)


def _run(
    config: DriftJobConfig,
    source: str | InputFiles,
    place: Path,
    shifts: Sequence[Shift],
    processes: int,
    tell: TellOwn,
) -> None:
    run_backtest(
        config,
        source,
        folder=place,
        processes=processes,
        progress=lambda step: tell(step.done, step.total),
        shifts=shifts,
    )


def _teller(
    labels: Sequence[str], n_total: int, on_progress: Callable[[Progress], None]
) -> Callable[[int, int, int], None]:
    """Adds up how far the runs have come; those that were there are done."""
    reached = [0.0] * len(labels)

    def tell(place: int, done: int, total: int) -> None:
        reached[place] = done / total if total else 0.0
        on_progress(Progress(n_total - len(labels) + sum(reached), n_total, labels[place]))

    return tell


def _is_finished(place: Path) -> bool:
    try:
        BacktestResult.open(place)
    except BacktestError:
        return False
    return True


def _identity(source: str | InputFiles, shifts: Sequence[Shift]) -> dict[str, str]:
    """Of a table its bytes, of a file its size and time; a topic has a name alone."""
    if isinstance(source, InputFiles):
        name, content = source.names[0], [_digest_of(path) for path in source.paths]
    else:
        name, root = source, Path(source)
        files = sorted(root.rglob("*")) if root.is_dir() else [root] * root.is_file()
        stats = [(str(file), file.stat()) for file in files]
        content = [f"{file}:{stat.st_size}:{stat.st_mtime_ns}" for file, stat in stats]
    digest = hashlib.sha256(msgspec.json.encode((content, list(shifts)))).hexdigest()
    return {"source": name, "digest": digest}


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
