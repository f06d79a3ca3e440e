"""The shipped file holds this code, all of it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from flink_jobs.cluster.artefact import build_artefact


def _checkout(root: Path) -> Path:
    for name, text in {
        "detectors/__init__.py": "",
        "flink_jobs/__init__.py": "",
        "flink_jobs/records/schemas/event.json": "{}",
        "flink_jobs/notes.txt": "not shipped",
        "flink_jobs/__pycache__/x.cpython-311.pyc": "not shipped",
        "tests/test_it.py": "not shipped",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_only_code_and_schemas_are_shipped(tmp_path: Path) -> None:
    artefact = build_artefact(tmp_path / "out", root=_checkout(tmp_path))
    assert sorted(zipfile.ZipFile(artefact).namelist()) == [
        "detectors/__init__.py",
        "flink_jobs/__init__.py",
        "flink_jobs/records/schemas/event.json",
    ]


def test_what_code_reads_next_to_it_is_shipped(tmp_path: Path) -> None:
    """A run time whose curves were missing was simulated anew, and the job's alerts differed."""
    setting = "Setting(1.0, 5, 4, IncidentRule(1, 1, 3))"
    program = (
        "from detectors.calibration.null_streams import IncidentRule\n"
        "from detectors.calibration.run_time_curves import Setting, level_for\n"
        f"print(level_for({setting}, 1_000.0, 0.9))"
    )

    here, shipped = (
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": str(path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for path in (Path(__file__).parents[2], build_artefact(tmp_path))
    )

    assert shipped == here


def test_the_same_code_gives_the_same_file(tmp_path: Path) -> None:
    first = build_artefact(tmp_path / "one", root=_checkout(tmp_path / "a"))
    second = build_artefact(tmp_path / "two", root=_checkout(tmp_path / "b"))
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_changed_code_gives_another_name(tmp_path: Path) -> None:
    root = _checkout(tmp_path)
    before = build_artefact(tmp_path / "out", root=root)
    (root / "detectors" / "__init__.py").write_text("x = 1\n")
    assert build_artefact(tmp_path / "out", root=root).name != before.name


def test_the_packages_are_imported_from_the_artefact(tmp_path: Path) -> None:
    artefact = build_artefact(tmp_path)
    program = (
        "import detectors, flink_jobs.config.loading as c; print(detectors.__file__, c.__file__)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(artefact)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == [
        f"{artefact}/detectors/__init__.py",
        f"{artefact}/flink_jobs/config/loading.py",
    ]
