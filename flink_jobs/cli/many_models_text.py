"""Decisions over many models, and their price, in a line."""

from __future__ import annotations

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.core.many_models.stage import lag_ms, longest_delay_ms
from flink_jobs.times import duration


def many_models_text(config: DriftJobConfig) -> str:
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
    >>> many_models_text(config)
    '10 models within 10 min raise one alert; a start is 10 min 50 s late at most, the rest 50 s'
    """
    lag, storm, table = duration(lag_ms(config)), config.storm, config.false_discoveries
    parts = []
    if table is not None:
        share = f"{table.level:.0%}".replace("%", " %")
        parts.append(f"of what is told in {duration(table.per_ms)} {share} may be false")
    if storm is not None:
        within = duration(storm.within_ms)
        parts.append(f"{storm.models:,} models within {within} raise one alert")
        parts.append(
            f"a start is {duration(longest_delay_ms(config))} late at most, the rest {lag}"
        )
    elif parts:
        parts.append(f"alerts are {lag} late")
    return "; ".join(parts)
