"""Throughput of every format of events, relative to the own event."""
