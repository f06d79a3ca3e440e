"""The files that make a history."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from flink_jobs.histories.errors import SourceError

# Tables in memory become files that are mapped.
Format = Literal["json_lines", "csv", "parquet", "arrow", "mapped"]
_FORMATS: dict[str, Format] = {
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
    ".jsonl.gz": "json_lines",
    ".ndjson.gz": "json_lines",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
}


# What Hive and its kin call the folder of rows without the value.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class InputFiles:
    """Files of one format, in the order in which they are read.

    ``passed_over`` names what else lies in their folder and is not a history. ``titles`` are
    what people call the files, their paths if left out. ``n_beside`` is how many files are read at
    a time, which share the memory.
    """

    format: Format
    paths: tuple[Path, ...]
    passed_over: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    n_beside: int = 1

    @property
    def names(self) -> list[str]:
        """The files, for messages and records."""
        return [*self.titles] or [str(path) for path in self.paths]

    @property
    def n_bytes(self) -> int:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.paths)


def find_files(path: Path) -> InputFiles:
    """The file, or the files of a folder and of the folders in it, in order of their names.

    Raises
    ------
    SourceError
        When there is none, or files of several formats.
    """
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    kind = _format(path)
    if kind is None:
        raise SourceError(
            f"{path.name} is not a history that can be read: its name must end in {_endings()}"
        )
    return InputFiles(kind, (path,))


def folder_keys(path: Path) -> dict[str, str | None]:
    """Return the columns that the folders of a file are named after, as Hive does: ``key=value``.

    All folders from the file upwards count that have such a name, so that a file is the same
    whether it is named alone or with its folder.

    Examples
    --------
    >>> folder_keys(Path("log/date=2026-01-01/country=DE/part-0.parquet"))
    {'date': '2026-01-01', 'country': 'DE'}
    """
    keys: dict[str, str | None] = {}
    for folder in path.parents:
        key, is_key, text = folder.name.partition("=")
        if not (key and is_key):
            break
        value = unquote(text)
        keys.setdefault(unquote(key), None if value == _NO_VALUE else value)
    return dict(reversed(keys.items()))


def _of_folder(folder: Path) -> InputFiles:
    """Those in folders of it too, as a table that is divided by date has them."""
    there = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    # Programs leave marks such as _SUCCESS next to what they write.
    shown = sorted(name for name in there if not any(part[0] in "._" for part in name.parts))
    formats = {there[name]: kind for name in shown if (kind := _format(name)) is not None}
    if not formats:
        raise SourceError(f"{folder} holds no file whose name ends in {_endings()}")
    kinds = sorted(set(formats.values()))
    if len(kinds) > 1:
        raise SourceError(f"{folder} mixes {' and '.join(kinds)}: a history has one format")
    others = tuple(str(name) for name in shown if there[name] not in formats)
    return InputFiles(kinds[0], tuple(formats), others)


def _format(path: Path) -> Format | None:
    found = [kind for ending, kind in _FORMATS.items() if path.name.lower().endswith(ending)]
    return found[0] if found else None


def _endings() -> str:
    *others, last = _FORMATS
    return f"{', '.join(others)} or {last}"
