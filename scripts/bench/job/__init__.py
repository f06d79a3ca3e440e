"""Throughput of the drift job beside an identity job and a plain per-event job."""
