"""Write a savepoint of the whole job to ``tests/fixtures/savepoint``, for tests to restore.

Run ``python -m tests.system.write_savepoint_fixture`` when the state, or what it depends on, has
changed. It starts a Kafka broker and a Flink cluster and takes about half a minute.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from flink_jobs.cluster.submission import DRIFT_JOB
from flink_jobs.embedded.flink_cluster import FlinkCluster
from flink_jobs.embedded.kafka_broker import KafkaBroker
from tests.system.savepoints import (
    FOLDER,
    N_SCORES_BEFORE,
    results_on,
    savepoint_topics,
    stream,
)

# State that is kept inside a savepoint's metadata is named by the absolute path of the file it
# would otherwise have; files beside the metadata are named relative to it.
_ALL_IN_FILES = {"execution.checkpointing.data-inline-threshold": "0 b"}


def main() -> None:
    """Run the job up to the cut, stop it with a savepoint, and keep that."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        KafkaBroker() as broker,
        FlinkCluster(settings=_ALL_IN_FILES) as cluster,
    ):
        topics = savepoint_topics(broker)
        path, _ = topics.config(Path(scratch))
        topics.write(stream()[0])
        job_id = cluster.submit(DRIFT_JOB, ["--config", str(path)])
        topics.wait_for(topics.scores, lambda v: len(v) >= N_SCORES_BEFORE, timeout_s=120)
        cluster.rest.wait_for_checkpoint(job_id)
        location = cluster.rest.stop_with_savepoint(job_id, Path(scratch, "savepoints"))
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(urlsplit(location).path, FOLDER / "savepoint")
        results = msgspec.json.format(msgspec.json.encode(results_on(topics)))
        (FOLDER / "results.json").write_bytes(results + b"\n")


if __name__ == "__main__":
    main()
