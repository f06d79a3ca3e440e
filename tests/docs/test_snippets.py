"""Configurations on the pages load, code compiles, and commands have the options shown."""

from __future__ import annotations

import doctest
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from flink_jobs.cli import app
from flink_jobs.config.loading import decode_config
from scripts.shared.pages import ROOT, Snippet, pages, snippets

# What a fragment of a configuration leaves out.
REST = {
    "version": "1",
    "kafka": '{bootstrap_servers = "127.0.0.1:9092"}',
    "input": "{n_features = 64, n_outputs = 10}",
    "panes": "{width_ms = 60_000}",
    "window": '{kind = "time", size_ms = 600_000, slide_ms = 120_000}',
    "reference": '{kind = "first_events", n_events = 3_000}',
}
# Files that are no configuration; test_compare.py reads them.
OTHER_FILES = {"drift", "shifts", "axis"}
_INLINE = re.compile(r"(?<!`)`((?:loudly|make) [^`\n]*)`")
_PROMPT = re.compile(r"^(?:\.venv/bin/)?(loudly .*)$", re.MULTILINE)
_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def shown(*languages: str) -> list[tuple[Path, Snippet]]:
    return [
        (page, snippet)
        for page in pages()
        for snippet in snippets(page.read_text())
        if snippet.language in languages
    ]


def named(value: object) -> str | None:
    return value.name if isinstance(value, Path) else None


def commands() -> list[tuple[Path, str]]:
    """The lines of ``loudly`` that pages show in blocks."""
    return [
        (page, line.split(" | ")[0])
        for page, snippet in shown("", "sh")
        for line in _PROMPT.findall(snippet.text.replace("\\\n", ""))
    ]


def mentions() -> list[tuple[Path, str]]:
    """The commands that pages name within their sentences."""
    return [(page, found) for page in pages() for found in _INLINE.findall(page.read_text())]


def resolved(words: list[str]) -> tuple[Any, list[str]]:
    """The command of these words, and what is left of them."""
    command: Any = typer.main.get_command(app)
    left = words[1:]
    while hasattr(command, "commands") and left and not left[0].startswith("-"):
        assert left[0] in command.commands, f"loudly has no command {left[0]}"
        command, left = command.commands[left[0]], left[1:]
    return command, left


@pytest.mark.parametrize(("page", "snippet"), shown("toml"), ids=named)
def test_every_configuration_loads(page: Path, snippet: Snippet) -> None:
    given = tomllib.loads(snippet.text)
    if given.keys() & OTHER_FILES:
        assert given.keys() < OTHER_FILES
        return

    rest = "".join(f"{key} = {table}\n" for key, table in REST.items() if key not in given)

    assert decode_config((rest + snippet.text).encode()).version == 1


@pytest.mark.parametrize(("page", "snippet"), shown("python"), ids=named)
def test_every_piece_of_python_compiles(page: Path, snippet: Snippet) -> None:
    examples = doctest.DocTestParser().get_examples(snippet.text)
    source = "".join(example.source for example in examples) or snippet.text

    compile(source, named(page) or "", "exec")


@pytest.mark.parametrize(("page", "line"), commands(), ids=named)
def test_every_command_line_is_accepted(page: Path, line: str) -> None:
    command, left = resolved(shlex.split(line, comments=True))

    given, _, _ = command.make_parser(command.context_class(command)).parse_args(left)

    required = {each.name for each in command.params if each.required}
    assert required <= {name for name, value in given.items() if value is not None}


@pytest.mark.parametrize(("page", "mention"), mentions(), ids=named)
def test_every_command_that_is_named_exists(page: Path, mention: str) -> None:
    program, *words = shlex.split(mention)
    if program == "make":
        assert words[0] in _TARGET.findall((ROOT / "Makefile").read_text())
        return
    command, left = resolved([program, *words])

    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert {word for word in left if word.startswith("--")} <= options
