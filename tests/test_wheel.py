"""The wheel that can be built of a checkout, and the commands that the pages name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from flink_jobs.version import __version__

ROOT = Path(__file__).parents[1]
JOB = """
version = 1
kafka = {bootstrap_servers = "127.0.0.1:9092"}
input = {n_features = 2}
panes = {width_ms = 10_000}
window = {kind = "time", size_ms = 60_000, slide_ms = 60_000}
reference = {kind = "first_events", n_events = 300}
detector = {reducer = {kind = "none"}}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_both_packages_and_nothing_else(wheel: Path) -> None:
    files = [each for name in ("detectors", "flink_jobs") for each in (ROOT / name).rglob("*")]
    wanted = {
        str(each.relative_to(ROOT))
        for each in files
        if each.is_file() and "__pycache__" not in each.parts
    }

    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}

    assert names == wanted
    assert {Path(name).suffix for name in names} >= {
        ".py",
        ".json",
        ".jinja",
        ".css",
        ".js",
        ".npz",
    }


def test_what_is_installed_from_the_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    site, job = tmp_path / "site", tmp_path / "job.toml"
    job.write_text(JOB)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--target", site, wheel], check=True)
    environment = os.environ | {"PYTHONPATH": str(site)}

    def loudly(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(site / "bin" / "loudly"), *arguments],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )

    assert loudly("version").stdout == f"loudly {__version__}\n"
    assert "is right" in loudly("validate", str(job)).stdout
    where = "import flink_jobs, detectors; print(flink_jobs.__file__, detectors.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.count(str(site)) == 2


def test_the_wheel_asks_for_the_codecs_of_compressed_topics(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (each for each in packed.namelist() if each.endswith("METADATA"))
        metadata = packed.read(name).decode()

    (line,) = re.findall(r"^Requires-Dist: kafka-python\[(.*?)\]", metadata, re.MULTILINE)
    assert set(line.split(",")) >= {"lz4", "snappy", "zstd"}


def test_every_command_that_installs_is_one_of_a_checkout() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    sources = [*ROOT.glob("detectors/**/*.py"), *ROOT.glob("flink_jobs/**/*.py")]
    found = [
        (path.name, command)
        for path in (*pages, *sources)
        for command in re.findall(r"pip install ['\"]?([^\s'\"`]+)", path.read_text())
    ]

    assert len(found) >= 5
    for name, command in found:
        named = re.fullmatch(r"\.\[([\w,]+|\{extras\})\]", command)
        assert named, f"{name}: pip install {command}"
        assert named[1] == "{extras}" or set(named[1].split(",")) <= extras
