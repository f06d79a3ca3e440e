from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from scripts.replicate.results import (
    HEADER,
    RECORDS,
    Configuration,
    FinishedUnit,
    OtherConfigurationError,
    Record,
    Results,
    key,
    read,
    remove,
)

CONFIGURATION = Configuration(methods=("ks-none",), n_runs=1)


def record(sample_size: int = 10) -> Record:
    return Record("digits", 0, "ko", 0.5, 0, "ks-none", sample_size, 0.03, True, 0.1)


def test_decisions_are_known_again_when_the_folder_is_opened_again(tmp_path: Path):
    Results(tmp_path, CONFIGURATION).append([record(10), record(20)])

    reopened = Results(tmp_path, CONFIGURATION)

    assert reopened.decided("digits", 0) == {key(record(10)), key(record(20))}
    assert reopened.decided("digits", 1) == set()
    assert not reopened.is_finished("digits", 0)


def test_a_finished_unit_stays_finished(tmp_path: Path):
    Results(tmp_path, CONFIGURATION).finish(FinishedUnit("digits", 0, 0.98))

    reopened = Results(tmp_path, CONFIGURATION)

    assert reopened.is_finished("digits", 0)
    assert not reopened.is_finished("mnist", 0)


def test_a_line_cut_off_by_a_crash_is_dropped_and_later_ones_are_readable(tmp_path: Path):
    Results(tmp_path, CONFIGURATION).append([record(10), record(20)])
    path = tmp_path / RECORDS
    path.write_bytes(path.read_bytes()[:-7])

    reopened = Results(tmp_path, CONFIGURATION)
    reopened.append([record(50)])

    assert [each.sample_size for each in read(tmp_path).records] == [10, 50]


def test_results_of_other_settings_are_refused_with_advice(tmp_path: Path):
    Results(tmp_path, CONFIGURATION)

    with pytest.raises(OtherConfigurationError, match=r"other settings.*--fresh"):
        Results(tmp_path, msgspec.structs.replace(CONFIGURATION, n_runs=2))


def test_results_of_other_code_are_refused_with_advice(tmp_path: Path):
    Results(tmp_path, CONFIGURATION)
    header = msgspec.json.decode((tmp_path / HEADER).read_bytes())
    (tmp_path / HEADER).write_bytes(msgspec.json.encode({**header, "code": "0" * 16}))

    with pytest.raises(OtherConfigurationError, match=r"other code.*--fresh"):
        Results(tmp_path, CONFIGURATION)


def test_removing_results_leaves_other_files(tmp_path: Path):
    Results(tmp_path, CONFIGURATION).append([record()])
    (tmp_path / "notes.txt").write_text("keep")

    remove(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
