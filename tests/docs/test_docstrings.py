"""Docstrings say what a thing is or does, and begin with no question word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scripts.shared.pages import ROOT

_QUESTION = re.compile(r"(What|Whatever|Who|Whose|Where|Whether|Which)\b")


def docstrings() -> Iterator[tuple[str, str]]:
    for room in ("detectors", "flink_jobs", "scripts"):
        for path in sorted((ROOT / room).rglob("*.py")):
            place = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(
                    node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
                ):
                    yield place, ast.get_docstring(node) or ""


def test_no_docstring_begins_with_a_question_word() -> None:
    found = [
        f"{place}: {text.splitlines()[0]}" for place, text in docstrings() if _QUESTION.match(text)
    ]

    assert found == []
