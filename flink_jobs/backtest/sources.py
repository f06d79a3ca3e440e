"""Opens a history by the name that people give it."""

from __future__ import annotations

from pathlib import Path

from flink_jobs.backtest.batches import Source
from flink_jobs.backtest.input_files import find_files
from flink_jobs.backtest.json_lines import JsonLines
from flink_jobs.backtest.kafka_range import KafkaRange, is_topic
from flink_jobs.backtest.tables import Tables
from flink_jobs.config import DriftJobConfig

_MOST_NAMED = 3


def open_source(name: str, config: DriftJobConfig) -> Source:
    """The history that lies at a path, or on a topic.

    Raises
    ------
    SourceError
        When there is none, or it cannot be read.
    ConfigError
        When a property of the Kafka client is wrong.
    """
    if is_topic(name):
        return KafkaRange(name, config)
    files = find_files(Path(name))
    source = JsonLines(files, config) if files.format == "json_lines" else Tables(files, config)
    source.name = name
    if files.passed_over:
        shown = ", ".join(files.passed_over[:_MOST_NAMED])
        source.warnings.append(f"{len(files.passed_over)} files were passed over: {shown}")
    empty = [path.name for path in files.paths if path.stat().st_size == 0]
    if empty:
        source.warnings.append(f"{len(empty)} files are empty: {', '.join(empty[:_MOST_NAMED])}")
    return source
