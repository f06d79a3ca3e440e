from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from scripts.replicate.__main__ import main
from scripts.replicate.rates import Decisions, of_shifts
from scripts.replicate.results import key, read


def replicate(folder: Path, n_workers: int = 1) -> None:
    """Run the command here, where PyTorch is loaded already, which takes 8 s of processor time."""
    app = typer.Typer()
    app.command()(main)
    arguments = ["--quick", "--workers", str(n_workers), "--results", str(folder)]
    ran = CliRunner().invoke(app, [*arguments, "--output", str(folder / "report.md")])
    assert ran.exit_code == 0, ran.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replication")
    replicate(folder)
    return folder


def test_it_writes_a_report_and_a_picture(folder: Path):
    report = (folder / "report.md").read_text(encoding="utf-8")

    assert "## Table 1a" in report
    assert "| **KS BBSDs** |" in report
    assert "![Share of shifts detected" in report
    assert "Incomplete" not in report
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")


def test_bbsds_finds_strong_shifts_more_often_than_it_raises_false_alarms(folder: Path):
    decisions = Decisions(read(folder / "quick").records)

    power = decisions.power("ks-bbsds", 100, of_shifts("l_img", "m_img+ko", "oz+m_img"))
    false_alarms = decisions.false_alarms("ks-bbsds")

    assert power.interval[0] > false_alarms.value


def test_started_again_it_decides_nothing_anew(folder: Path):
    before = (folder / "quick" / "decisions.jsonl").read_bytes()

    replicate(folder)

    assert (folder / "quick" / "decisions.jsonl").read_bytes() == before


def test_interrupted_it_goes_on_to_the_same_decisions_in_other_processes(
    folder: Path, tmp_path: Path
):
    whole = read(folder / "quick")
    (tmp_path / "quick").mkdir()
    for name in ("configuration.json", "natural.json"):
        (tmp_path / "quick" / name).write_bytes((folder / "quick" / name).read_bytes())
    lines = (folder / "quick" / "decisions.jsonl").read_bytes().splitlines(keepends=True)
    # Both workers go on: of each dataset all but the last 30 decisions are there.
    kept = [
        line
        for dataset in whole.configuration.datasets
        for line in [each for each in lines if f'"{dataset}"'.encode() in each][:-30]
    ]
    assert len(lines) > len(kept) == len(lines) - 30 * len(whole.configuration.datasets)
    (tmp_path / "quick" / "decisions.jsonl").write_bytes(b"".join(kept))

    replicate(tmp_path, n_workers=2)

    resumed = read(tmp_path / "quick")
    assert {key(each): each.p_value for each in resumed.records} == {
        key(each): each.p_value for each in whole.records
    }
