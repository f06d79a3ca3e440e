"""Reads the TOML files of a backtest whose tables are structs: shifts, and grids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import msgspec

from flink_jobs.config.tables.base import ConfigError, Problem, Table

_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_DOCUMENT = "what docs/backtests-choosing.md lists"

T = TypeVar("T", bound=Table)


def read_table(path: Path, kind: type[T]) -> T:
    """Read a TOML file that holds one table.

    Raises
    ------
    ConfigError
        When the file cannot be read, is not TOML, or does not hold what ``kind`` says.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except OSError as error:
        wrong = error.strerror or type(error).__name__
        raise ConfigError([Problem(str(path), wrong, "a readable TOML file")]) from error
    except msgspec.ValidationError as error:
        match = _PATH.search(str(error))
        text = str(error)[: match.start()] if match else str(error)
        key = f"{path}: {match['path']}" if match else str(path)
        raise ConfigError([Problem(key, text, _DOCUMENT)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), str(error), "TOML 1.0 text")]) from error
