"""What must not need Flink is imported in a process that has none."""

from __future__ import annotations

import subprocess
import sys

import pytest

import detectors

PURE = [
    "detectors",
    "flink_jobs.config.job",
    "flink_jobs.config.loading",
    "flink_jobs.intake.formats.json",
    "flink_jobs.intake.panes",
    "flink_jobs.records.alerts",
    "flink_jobs.core.monitor",
    "flink_jobs.embedded.flink_cluster",
    "flink_jobs.kafka.following",
    "flink_jobs.cli",
]


def import_without(blocked: list[str], module: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys\nfor name in {blocked}: sys.modules[name] = None\nimport {module}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_where_flink_is_not_installed(module: str) -> None:
    done = import_without(["pyflink", "apache_beam"], module)

    assert done.returncode == 0, done.stderr


def test_the_detectors_import_with_numpy_and_scipy_alone() -> None:
    done = import_without(["pyflink", "msgspec", "kafka", "rich", "typer", "sklearn"], "detectors")

    assert done.returncode == 0, done.stderr


def test_the_detectors_load_neither_torch_nor_onnx_runtime() -> None:
    # Blocked as above, torch would break SciPy, which looks for it among the loaded modules.
    code = "import sys, detectors; sys.exit('torch' in sys.modules or 'onnxruntime' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)

    assert done.returncode == 0


def test_a_module_of_the_flink_side_does_need_flink() -> None:
    done = import_without(["pyflink"], "flink_jobs.flink.job")

    assert "pyflink" in done.stderr


def test_every_public_name_of_the_detectors_exists() -> None:
    assert all(hasattr(detectors, name) for name in detectors.__all__)
