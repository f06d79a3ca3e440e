"""The same work as one would write it with another library: a loop over the windows.

Runs in the peer's own environment: ``python peers.py alibi history.parquet``. Imports nothing of
ours. Prints one JSON object: seconds of the clock and of the processor, and for each window the
model, the number of its first event and what the library found.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

N_REFERENCE, WINDOW, SLIDE = 1_000, 1_000, 200
N_OUTPUTS = 10
OUTPUTS = [f"p{n}" for n in range(N_OUTPUTS)]

Rows = Any
Found = dict[str, list[float]]


def alibi(reference: Rows) -> Callable[[Rows], Found]:
    """KSDrift of alibi-detect."""
    from alibi_detect.cd import KSDrift  # type: ignore[import-not-found]

    detector = KSDrift(reference, p_val=0.001)

    def test(rows: Rows) -> Found:
        data = detector.predict(rows)["data"]
        return {"d": data["distance"].tolist(), "p": data["p_val"].tolist()}

    return test


def nannyml(reference: Rows) -> Callable[[Rows], Found]:
    """The Kolmogorov–Smirnov method of NannyML's univariate drift; it gives no p-values."""
    import nannyml as nml  # type: ignore[import-not-found]
    import pandas as pd

    calculator = nml.UnivariateDriftCalculator(
        column_names=OUTPUTS,
        continuous_methods=["kolmogorov_smirnov"],
        chunk_size=WINDOW,
    )
    calculator.fit(pd.DataFrame(reference, columns=OUTPUTS))

    def test(rows: Rows) -> Found:
        result = calculator.calculate(pd.DataFrame(rows, columns=OUTPUTS)).filter(period="analysis")
        frame = result.to_df()
        return {
            "d": [float(frame[name, "kolmogorov_smirnov", "value"].iloc[-1]) for name in OUTPUTS]
        }

    return test


PEERS = {"alibi": alibi, "nannyml": nannyml}


def replay(path: str, make: Callable[[Rows], Callable[[Rows], Found]]) -> Iterator[dict[str, Any]]:
    """Read the history in batches, and test the windows of each model as they fill."""
    import numpy as np
    import pyarrow.parquet as pq

    kept: dict[str, Rows] = {}
    tests: dict[str, Callable[[Rows], Found]] = {}
    firsts: dict[str, int] = {}
    for batch in pq.ParquetFile(path).iter_batches(columns=["model", *OUTPUTS]):
        names = np.array(batch.column("model").to_pylist())
        outputs = np.column_stack([batch.column(name).to_numpy() for name in OUTPUTS])
        for name in dict.fromkeys(names.tolist()):
            rows = outputs[names == name]
            kept[name] = np.concatenate([kept[name], rows]) if name in kept else rows
            if name not in tests:
                if len(kept[name]) < N_REFERENCE:
                    continue
                tests[name] = make(kept[name][:N_REFERENCE])
                kept[name], firsts[name] = kept[name][N_REFERENCE:], 0
            while len(kept[name]) >= WINDOW:
                yield {"model": name, "first": firsts[name], **tests[name](kept[name][:WINDOW])}
                kept[name], firsts[name] = kept[name][SLIDE:], firsts[name] + SLIDE


def main() -> None:
    """Time the loop, imports left out."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not come before the answer
    warnings.simplefilter("ignore")
    name, path = sys.argv[1:]
    import numpy as np

    rng = np.random.default_rng(0)
    # The first call loads what a library loads when it is first used.
    PEERS[name](rng.random((N_REFERENCE, N_OUTPUTS)))(rng.random((WINDOW, N_OUTPUTS)))
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    windows = list(replay(path, PEERS[name]))
    seconds = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}
    json.dump({**seconds, "windows": windows}, answers)
    answers.flush()


if __name__ == "__main__":
    main()
