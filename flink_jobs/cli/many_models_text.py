"""What is decided over many models, and what that costs, in a line."""

from __future__ import annotations

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.stage import lag_ms, longest_delay_ms
from flink_jobs.times import duration


def storm_text(config: DriftJobConfig) -> str:
    """Say from when on models raise one alert together, and how late alerts are then.

    Examples
    --------
    >>> from flink_jobs.config.loading import decode_config
    >>> config = decode_config(b'''
    ... version = 1
    ... kafka = {bootstrap_servers = "127.0.0.1:9092"}
    ... input = {n_features = 10}
    ... panes = {width_ms = 10_000}
    ... window = {kind = "time", size_ms = 60_000, slide_ms = 10_000}
    ... reference = {kind = "first_events", n_events = 1000}
    ... storm = {}
    ... ''')
    >>> storm_text(config)
    '10 models within 10 min raise one alert; a start is 10 min 50 s late at most, the rest 50 s'
    """
    storm = config.storm
    if storm is None:
        return "every model raises its own alerts"
    return (
        f"{storm.models:,} models within {duration(storm.within_ms)} raise one alert; "
        f"a start is {duration(longest_delay_ms(config))} late at most, "
        f"the rest {duration(lag_ms(config))}"
    )
