import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.bench.detectors.data import make_data, write_data
from scripts.bench.detectors.long_stream import measure_long_stream
from scripts.bench.detectors.measure import measure
from scripts.bench.detectors.rows import rows
from scripts.bench.detectors.worker import Worker
from scripts.bench.detectors.workers import ours
from scripts.bench.environments import OURS, SCIPY
from scripts.bench.peer_process import PeerFailedError


@pytest.fixture(scope="module")
def data_file(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("bench") / "data.npz", n_stream=10)


@pytest.fixture
def start(data_file, tmp_path):
    def worker(peer):
        return Worker(peer, Path(sys.executable), data_file, tmp_path / f"{peer.name}.log")

    return worker


def test_ks_is_measured_against_scipy_and_agrees(start):
    ks = rows(n_events=1)[0]

    with start(OURS) as our_worker, start(SCIPY) as scipy_worker:
        result = measure(ks, {"ours": our_worker, "scipy": scipy_worker}, n_rounds=2)

    against_scipy, against_alibi = ks.comparisons
    assert result.disagreements == []
    assert [len(timing.seconds) for timing in result.timings.values()] == [2, 2]
    assert result.ratios(against_scipy) is not None
    assert result.ratios(against_alibi) is None


def test_a_worker_that_fails_says_why(start):
    with start(SCIPY) as worker, pytest.raises(PeerFailedError, match=r"KeyError: 'no such'"):
        worker.prepare("name", "no such", {})


def test_data_are_the_same_in_every_run():
    first, second = make_data(n_stream=5), make_data(n_stream=5)

    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_stream_goes_on_with_every_call():
    data = make_data(n_stream=20)
    case = ours.online_mmd(data, window_size=10, n_events=5)

    first, second = (case.read(case.run()) for _ in range(2))

    assert first["statistics"] != second["statistics"]
    for value in (first, second):
        assert value["last"] == pytest.approx(value["batch"], abs=1e-12)
    with pytest.raises(StopIteration):
        case.run()


def test_a_long_stream_is_timed_in_turn_with_a_new_detector(start):
    with start(OURS) as worker:
        mark = measure_long_stream(worker, [10_400]).marks[0]

    assert mark.n_events == 10_400
    assert 0 < mark.ratios.minimum <= mark.ratios.median <= mark.ratios.maximum
    assert mark.rss_bytes > 2**20
