"""The detectors of this project, in its own environment."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from detectors.base import FloatArray
from detectors.sequential.ks import SlidingKS
from detectors.sequential.mmd import SlidingMMD
from detectors.two_sample.ks.ks import KSTest
from detectors.two_sample.mmd import MMDTest
from scripts.bench.detectors.workers.protocol import Case, Data, serve, stream_case
from scripts.shared.processes import resident_bytes

_LONG_CHUNK = 200
_TIMED_CHUNKS = 50


def ks(data: Data) -> Case:
    """``KSTest.test``; sorting the reference is part of ``fit``, once."""
    test = KSTest().fit(data["ks_ref"])
    rng = np.random.default_rng(0)
    return Case(
        lambda: test.test(data["ks_test"], rng=rng),
        lambda result: {
            "statistics": result.dimension_statistics.tolist(),
            "p_values": result.dimension_p_values.tolist(),
        },
    )


def mmd(data: Data, n_permutations: int) -> Case:
    """``MMDTest.test`` with the median heuristic, worked out in every call."""
    test = MMDTest(n_permutations=n_permutations).fit(data["mmd_ref"])
    rng = np.random.default_rng(0)
    return Case(
        lambda: test.test(data["mmd_test"], rng=rng),
        lambda result: {
            "statistics": [result.statistic],
            "n_reaching": round(result.p_value * (n_permutations + 1)) - 1,
            "n_permutations": n_permutations,
        },
    )


def online_mmd(
    data: Data, window_size: int, n_events: int, ref_indices: list[int] | None = None
) -> Case:
    """``SlidingMMD.update``; the batch test gives the value to compare the last one with."""
    x_ref, rows = data["online_ref"], data["online_stream"]
    if ref_indices is not None:
        x_ref = x_ref[ref_indices]
    bandwidth = float(data["online_bandwidth"])
    sliding = SlidingMMD(window_size, bandwidth).fit(x_ref)
    batch = MMDTest(n_permutations=1, bandwidth=bandwidth).fit(x_ref)

    def read(statistics: list[float]) -> dict[str, Any]:
        window = rows[sliding.n_rows - window_size : sliding.n_rows]
        expected = batch.test(window, rng=np.random.default_rng(0)).statistic
        return {"statistics": statistics, "last": [statistics[-1]], "batch": [expected]}

    return stream_case(sliding.update, rows, window_size, n_events, read)


def online_mmd_long(data: Data, window_size: int, marks: list[int]) -> Case:
    """``SlidingMMD.update`` on a long stream; each call goes on to the next mark.

    The last chunks before a mark are timed in turn with those of a detector that has just begun:
    the machine's own moods, which last longer than a chunk, meet both.
    """
    rng = np.random.default_rng(0)
    ends = iter(marks)

    def begin() -> SlidingMMD:
        return SlidingMMD(window_size, float(data["online_bandwidth"])).fit(data["online_ref"])

    def feed(sliding: SlidingMMD) -> float:
        return _seconds(sliding, rng.normal(size=(_LONG_CHUNK, data["online_ref"].shape[1])))

    aged = begin()

    def run() -> list[tuple[float, float]]:
        end, new = next(ends), begin()
        feed(new)
        while aged.n_rows < end - _TIMED_CHUNKS * _LONG_CHUNK:
            feed(aged)
        return [(feed(aged), feed(new)) for _ in range(_TIMED_CHUNKS)]

    def read(seconds: list[tuple[float, float]]) -> dict[str, Any]:
        of_aged, of_new = zip(*seconds, strict=True)
        return {
            "n_events": aged.n_rows,
            "seconds": [each / _LONG_CHUNK for each in of_aged],
            "seconds_of_new": [each / _LONG_CHUNK for each in of_new],
            "rss_bytes": resident_bytes(os.getpid()),
        }

    return Case(run, read, repeatable=False)


def _seconds(sliding: SlidingMMD, rows: FloatArray) -> float:
    start = time.process_time()
    for row in rows:
        sliding.update(row)
    return time.process_time() - start


def sliding_ks(
    data: Data, n_ref: int, window_size: int, n_events: int, p_value: bool = False
) -> Case:
    """``SlidingKS.update``, with or without the p-value of every window."""
    sliding = SlidingKS(window_size).fit(data["sliding_ref"][:n_ref])

    def statistic_and_p_value(row: FloatArray) -> tuple[float | None, float | None]:
        statistic = sliding.update(row)
        p_values = sliding.p_values()
        return statistic, None if p_values is None else float(p_values[0])

    rows = data["sliding_stream"]
    if p_value:
        return stream_case(
            statistic_and_p_value,
            rows,
            window_size,
            n_events,
            lambda results: {
                "statistics": [statistic for statistic, _ in results],
                "p_values": [p for _, p in results],
            },
        )
    return stream_case(
        sliding.update, rows, window_size, n_events, lambda results: {"statistics": results}
    )


if __name__ == "__main__":
    serve(
        {
            "ks": ks,
            "mmd": mmd,
            "online_mmd": online_mmd,
            "online_mmd_long": online_mmd_long,
            "sliding_ks": sliding_ks,
        }
    )
