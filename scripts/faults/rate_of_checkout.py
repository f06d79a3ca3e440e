"""Runs the drift job of the checkout on ``PYTHONPATH`` and prints its rate and what it cost.

Imports of that checkout the embedded cluster alone, which all versions have.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from flink_jobs.embedded.flink_cluster import FlinkCluster

_POLL_S = 0.2
_PATIENCE_S = 120.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main(job_file: str, servers: str, scores: str, n_due: str) -> None:
    """Run the job until all scores are there, and look at it from the first one to the last."""
    module = next(m for m in ("flink_jobs.flink.job", "flink_jobs.flink.drift_job") if _has(m))
    consumer = KafkaConsumer(bootstrap_servers=servers)
    partition = TopicPartition(scores, 0)
    with FlinkCluster() as cluster:
        job_id = cluster.submit(module, ["--config", job_file])
        n_first = n_now = 0
        began = changed = time.monotonic()
        before: dict[str, float] = {}
        while n_now < int(n_due):
            time.sleep(_POLL_S)
            n_before, n_now = n_now, int(consumer.end_offsets([partition])[partition])
            if n_now > n_before:
                changed = time.monotonic()
                if not n_before:
                    n_first, began = n_now, changed
                    before = _cpu_s(cluster.pids[-1])
            if time.monotonic() - changed > _PATIENCE_S:
                raise RuntimeError(f"stands still: {cluster.rest.exceptions(job_id)[:1]}")
        after = _cpu_s(cluster.pids[-1])
        n_scores = n_now - n_first
        per_score = {name: (after[name] - before[name]) / n_scores for name in after}
        print(json.dumps({"scores_per_s": n_scores / (changed - began), "cpu_s": per_score}))
        cluster.rest.cancel(job_id)


def _cpu_s(group: int) -> dict[str, float]:
    """Processor time of a group's JVM and Python workers, and of the thread that reads Kafka."""
    seconds = {"java": 0.0, "python": 0.0, "source": 0.0}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, fields = _stat(entry)
            if int(fields[2]) != group:
                continue
            seconds["java" if name == "java" else "python"] += _used_s(fields)
            for thread in (entry / "task").iterdir() if name == "java" else ():
                name, fields = _stat(thread)
                if name.startswith("Source: Kafka"):
                    seconds["source"] += _used_s(fields)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return seconds


def _stat(entry: Path) -> tuple[str, list[str]]:
    before, _, after = (entry / "stat").read_text().rpartition(")")
    return before.partition("(")[2], after.split()


def _used_s(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _has(module: str) -> bool:
    return find_spec(module) is not None


if __name__ == "__main__":
    main(*sys.argv[1:])
