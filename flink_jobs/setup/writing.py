"""TOML that people read: a comment on each line, and long ones above it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flink_jobs.records.shown import shown

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 120
_WIDEST_CODE = 56
UNSURE = "UNSURE: "


@dataclass
class Writer:
    """Collects the lines of a TOML file, block by block.

    Examples
    --------
    >>> writer = Writer()
    >>> writer.block("[panes]")
    >>> writer.line("width_ms", 60_000, "a minute")
    >>> writer.line("max_raw_events", 5)
    >>> print(writer.text())
    [panes]
    width_ms = 60_000  # a minute
    max_raw_events = 5
    <BLANKLINE>
    """

    n_unsure: int = 0
    _lines: list[str] = field(default_factory=list)
    _open: list[tuple[str, str]] = field(default_factory=list)

    def block(self, header: str = "", comment: str = "") -> None:
        """Begin a table, after an empty line."""
        self._close()
        if self._lines:
            self._lines.append("")
        if header:
            self._open.append((header, _one_line(comment)))

    def line(self, key: str, value: Any, comment: str = "", unsure: str = "") -> None:
        """Write a key; what is not certain is marked."""
        if unsure:
            self.n_unsure += 1
            comment = f"{UNSURE}{unsure}" + (f" ({comment})" if comment else "")
        code = f"{toml_key(key)} = {toml(value)}"
        if isinstance(value, list) and len(code) > _WIDTH:
            code = f"{toml_key(key)} = [\n    {_filled(value)}\n]"
        self._open.append((code, _one_line(comment)))

    def said(self, key: str, value: Any, comment: str) -> None:
        """Write a key that holds its default as a comment."""
        self._open.append((f"# {toml_key(key)} = {toml(value)}", _one_line(comment)))

    def remark(self, text: str) -> None:
        """Write a comment on lines of its own."""
        self._close()
        self._lines += _wrapped(text)

    def commands(self, title: str, *commands: str) -> None:
        """Write commands, uncut, behind a title."""
        self._close()
        for place, command in enumerate(commands):
            self._lines.append(f"# {'' if place else title:<6} {command}")

    def columns(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write pairs as a commented table of two columns."""
        self._close()
        width = min(40, max((len(shown(name)) for name, _ in rows), default=0))
        for name, text in rows:
            self._lines.append(f"#   {shown(name):<{width}}  {_one_line(text)}".rstrip())

    def unsure(self, text: str) -> None:
        """Write a remark that is marked."""
        self.n_unsure += 1
        self.remark(f"{UNSURE}{text}")

    def text(self) -> str:
        """The whole file."""
        self._close()
        return "\n".join(self._lines) + "\n"

    def _close(self) -> None:
        """Write the lines of the open block, their comments below each other."""
        near = [code for code, comment in self._open if comment and not _is_above(code, comment)]
        width = max((len(code) for code in near), default=0)
        for code, comment in self._open:
            if not comment:
                self._lines.append(code)
            elif _is_above(code, comment):
                self._lines += [*_wrapped(comment), code]
            else:
                self._lines.append(f"{code:<{width}}  # {comment}")
        self._open = []


def toml(value: Any) -> str:
    r"""Write a value as TOML.

    Examples
    --------
    >>> print(toml({"kind": "time", "size_ms": 60_000}), toml("a\x7f"), toml([True, 0.5]))
    {kind = "time", size_ms = 60_000} "a\u007f" [true, 0.5]
    """
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:_}"
        case float():
            return repr(value)
        case str():
            return _quoted(value)
        case Mapping():
            pairs = ", ".join(f"{toml_key(key)} = {toml(each)}" for key, each in value.items())
            return f"{{{pairs}}}"
        case _:
            return f"[{', '.join(map(toml, value))}]"


def toml_key(key: str) -> str:
    """Write a key, quoted where it has to be.

    Examples
    --------
    >>> print(toml_key("plan"), toml_key("home.dest"))
    plan "home.dest"
    """
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _filled(values: Sequence[Any]) -> str:
    """Write the elements of a long list on several lines."""
    lines, line = [], ""
    for value in values:
        text = f"{toml(value)},"
        if line and len(line) + len(text) + 5 > _WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {text}" if line else text
    return "\n    ".join([*lines, line])


def _one_line(text: str) -> str:
    return shown(text, 600)


def _is_above(code: str, comment: str) -> bool:
    return len(code) > _WIDEST_CODE or max(len(code), 30) + len(comment) + 4 > _WIDTH


def _wrapped(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += textwrap.wrap(
            shown(paragraph, 2_000),
            _WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_long_words=False,
            break_on_hyphens=False,
        ) or ["#"]
    return lines
