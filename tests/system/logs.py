"""What a cluster's workers have said."""

from __future__ import annotations

from flink_jobs.embedded.flink_cluster import FlinkCluster


def workers_log(cluster: FlinkCluster) -> str:
    """All that a TaskManager and its Python workers have logged, for whichever job."""
    [path] = cluster.logs.glob("taskmanager-*.log")
    return path.read_text()
