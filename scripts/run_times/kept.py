"""Results on disk, so that a measurement that was interrupted goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import Field, asdict
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn

from scripts.bench.harness import ROOT

FOLDER = ROOT / "build" / "statistics"


class _Asked(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


_Task = TypeVar("_Task", bound=_Asked)


class Kept:
    """Answers to tasks, one a line, with the command that gave them.

    Parameters
    ----------
    name : str
        Of a file in ``build/statistics``.
    command : str
        Stands with what is found from now on.
    folder : Path
    """

    def __init__(self, name: str, command: str, folder: Path = FOLDER) -> None:
        self._path, self._command = folder / f"{name}.jsonl", command
        folder.mkdir(parents=True, exist_ok=True)
        self._answers: dict[str, dict[str, Any]] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self._answers[_key(record["task"])] = record

    def forget(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)
        self._answers.clear()

    def answer(self, task: _Asked) -> Any:
        """Return what was found for a task; None where it was not asked."""
        record = self._answers.get(_key(asdict(task)))
        return None if record is None else record["answer"]

    @property
    def records(self) -> list[dict[str, Any]]:
        """All that was found: ``task``, ``answer`` and ``command`` of each, the oldest first."""
        return list(self._answers.values())

    def find(self, tasks: Sequence[_Task], work: Callable[[_Task], Any], n_processes: int) -> None:
        """Do the tasks that have no answer yet, with progress, and keep what they give."""
        missing = [task for task in tasks if self.answer(task) is None]
        if not missing:
            return
        columns = (*Progress.get_default_columns()[:-1], TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns) as progress, self._path.open("a", encoding="utf-8") as file:
            bar = progress.add_task(self._path.stem, total=len(missing))

            def keep(task: _Task, answer: Any) -> None:
                record = {"task": asdict(task), "answer": answer, "command": self._command}
                self._answers[_key(record["task"])] = record
                file.write(json.dumps(record) + "\n")
                file.flush()
                progress.advance(bar)

            _do(missing, work, n_processes, keep)


def _key(task: Mapping[str, Any]) -> str:
    return json.dumps(task, sort_keys=True)


def _do(
    tasks: Sequence[_Task],
    work: Callable[[_Task], Any],
    n_processes: int,
    keep: Callable[[_Task, Any], None],
) -> None:
    if n_processes == 1:
        for task in tasks:
            keep(task, work(task))
        return
    waiting = iter(tasks)
    with ProcessPoolExecutor(n_processes, get_context("spawn")) as pool:
        # A few at a time: an interrupted measurement has not much to wait for.
        running: dict[Future[Any], _Task] = {
            pool.submit(work, task): task for task in islice(waiting, 2 * n_processes)
        }
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                keep(running.pop(future), future.result())
                running.update({pool.submit(work, task): task for task in islice(waiting, 1)})
