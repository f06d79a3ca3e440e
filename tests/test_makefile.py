"""A set-up that cannot be used any more is made anew, by a Makefile that is asked and not run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_INPUTS = (
    *("requirements.lock", "requirements-torch.lock", "requirements-docs.lock", "pyproject.toml"),
    *("docker/pom.xml", "docker/jars.sha256", "docker/registry.sha256"),
)
_STAMPS = (
    *(".venv/.dependencies-installed", ".venv/.package-installed"),
    *("build/jars/.checked", "build/registry/.checked"),
)


def planned(checkout: Path, target: str) -> str:
    """Return the commands that make would run, as if no make had started the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--dry-run", target]
    return subprocess.check_output(command, cwd=checkout, text=True, env=inherited)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with spaces in its path, set up by all that make can see."""
    checkout = tmp_path / "my own checkout"
    (checkout / "docker").mkdir(parents=True)
    shutil.copy(_ROOT / "Makefile", checkout)
    for name in _INPUTS:
        (checkout / name).touch()
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "pip").write_text(f"#!{programs}/python\n")
    (programs / "python").symlink_to(sys.executable)
    for folder in ("jars", "registry"):
        (checkout / "build" / folder).mkdir(parents=True)
    for name in _STAMPS:
        (checkout / name).touch()
    return checkout


def test_a_complete_set_up_is_checked_and_left_alone(checkout: Path) -> None:
    assert planned(checkout, "setup").splitlines() == [
        "scripts/check_prerequisites.sh setup",
        'echo "Ready: .venv/bin/loudly --help"',
    ]


def test_a_moved_checkout_is_set_up_anew(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("elsewhere"))
    assert "-m venv --clear" in planned(moved, "setup")


def test_a_set_up_whose_python_is_gone_is_made_anew(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    assert "-m venv --clear" in planned(checkout, "setup")


def test_an_interrupted_set_up_begins_again(checkout: Path) -> None:
    (checkout / ".venv" / ".dependencies-installed").unlink()
    assert "-m venv --clear" in planned(checkout, "setup")


@pytest.mark.parametrize(
    "target",
    [
        "demo",
        "docs",
        "test",
        "lint",
        "fuzz",
        "faults",
        "jars",
        "torch",
        "bench-job",
        "bench-models",
        "bench-monitor",
        "replicate",
    ],
)
def test_each_target_first_says_what_is_missing(checkout: Path, target: str) -> None:
    shutil.rmtree(checkout / ".venv")
    first, *_ = planned(checkout, target).splitlines()
    assert first.startswith("scripts/check_prerequisites.sh ")
