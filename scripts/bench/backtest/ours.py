"""One backtest of the benchmark, in a process of its own; prints what it took as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Arguments: history, folder for the result, number of processes."""
    # Here, since further processes import this module again; the command line does so too.
    from flink_jobs.replay.engine import run_backtest
    from scripts.bench.backtest.histories import config, named_config

    history, folder, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    is_named = history.name.startswith("named")
    job = named_config() if is_named else config(has_columns=history.suffix == ".parquet")
    begin_s, begin_cpu_s = time.perf_counter(), _cpu_s()
    result = run_backtest(job, history, folder=folder, processes=processes)
    wall_s = time.perf_counter() - begin_s
    cpu_s = _cpu_s() - begin_cpu_s
    summary = result.summary
    if summary.n_used != summary.n_events:
        raise RuntimeError(f"{summary.n_used} of {summary.n_events} events were used")
    found = {"n_events": summary.n_events, "n_windows": summary.n_scores}
    print(json.dumps({**found, "wall_s": wall_s, "cpu_s": cpu_s}))


def _cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
