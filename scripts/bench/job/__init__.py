"""Throughput of the drift job against an identity job and a plain per-event job."""
