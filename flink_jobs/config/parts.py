"""Requests and responses: whether they are events of their own."""

from __future__ import annotations

from flink_jobs.config.job import PARTED_FORMATS, DriftJobConfig


def have_parts(config: DriftJobConfig) -> bool:
    """Tell whether an event may have its features or its outputs alone.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {n_features = 2}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... ''')
    >>> have_parts(config)
    False
    """
    messages = config.input.messages
    if messages is None:
        return config.input.format in PARTED_FORMATS
    return messages == "requests_and_responses"
