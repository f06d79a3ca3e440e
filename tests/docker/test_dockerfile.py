"""Rules for the image that a reader of the Dockerfile can check without building it."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).resolve().parents[2]
_DOCKERFILE = _ROOT / "docker" / "Dockerfile"
_PINNED = re.compile(r"^[\w./-]+:\d+\.\d+(\.\d+)?[\w.-]*(@sha256:[0-9a-f]{64})?$")
_SECRET = re.compile(r"password|passwd|secret|token|api_?key", re.IGNORECASE)


@pytest.fixture(scope="module")
def instructions(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    # The parser opens its file for writing too: give it a copy.
    copy = tmp_path_factory.mktemp("docker") / "Dockerfile"
    copy.write_bytes(_DOCKERFILE.read_bytes())
    structure = DockerfileParser(str(copy)).structure
    return [(str(each["instruction"]), str(each["value"])) for each in structure]


def _values(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [value for instruction, value in instructions if instruction == name]


def test_every_base_image_has_a_pinned_version(instructions: list[tuple[str, str]]) -> None:
    bases = [value.split()[0] for value in _values(instructions, "FROM")]
    assert len(bases) == 3
    assert [base for base in bases if not _PINNED.match(base)] == []


def test_the_image_runs_as_an_ordinary_user(instructions: list[tuple[str, str]]) -> None:
    assert _values(instructions, "USER")[-1] == "flink"


def test_nothing_is_fetched_by_address(instructions: list[tuple[str, str]]) -> None:
    assert _values(instructions, "ADD") == []
    assert [run for run in _values(instructions, "RUN") if re.search(r"https?://", run)] == []


def test_no_secret_is_built_in(instructions: list[tuple[str, str]]) -> None:
    named = _values(instructions, "ENV") + _values(instructions, "ARG")
    assert [value for value in named if _SECRET.search(value)] == []


def test_libraries_are_installed_by_hash(instructions: list[tuple[str, str]]) -> None:
    installs = [run for run in _values(instructions, "RUN") if "pip install" in run]
    unhashed = [r for r in installs if "--require-hashes" not in r and "--no-deps" not in r]
    assert installs
    assert unhashed == []


def test_everything_copied_is_in_the_build_context(instructions: list[tuple[str, str]]) -> None:
    sources = [
        source
        for copy in _values(instructions, "COPY")
        if "--from=" not in copy
        for source in copy.split()[:-1]
    ]
    allowed = {
        line[1:] for line in (_ROOT / ".dockerignore").read_text().split() if line.startswith("!")
    }
    assert [source for source in sources if not (_ROOT / source).exists()] == []
    assert {source.split("/")[0] for source in sources} <= allowed


def test_the_image_has_the_locked_versions_and_no_test_tools() -> None:
    full = _pins(_ROOT / "requirements.lock")
    image = _pins(_ROOT / "docker" / "requirements.lock")
    assert image.items() <= full.items()
    assert {"apache-flink", "kafka-python", "msgspec", "scipy"} <= image.keys()
    assert not {"pytest", "mypy", "ruff"} & image.keys()


def test_the_image_has_all_that_the_job_and_the_demo_import() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["flink"], *extras["demo"]]

    # The package itself is installed with --no-deps: what the lock leaves out would be missing.
    assert _with_their_own(asked) <= _pins(_ROOT / "docker" / "requirements.lock").keys()


def _with_their_own(requirements: list[str]) -> set[str]:
    """Return the names of these requirements and of all that they ask for on this machine."""
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(each), "") for each in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for each in {"", *requirement.extras}:
            if (name, each) not in found:
                found.add((name, each))
                waiting += [(Requirement(line), each) for line in requires(name) or []]
    return {name for name, _ in found}


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE))
