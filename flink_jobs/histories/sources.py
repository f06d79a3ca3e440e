"""Opens a history by the name that people give it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.batches import Source
from flink_jobs.histories.input_files import InputFiles, find_files
from flink_jobs.histories.lines.chunks import CHUNK_BYTES
from flink_jobs.histories.lines.decoder import LineDecoder
from flink_jobs.histories.lines.json_lines import JsonLines
from flink_jobs.histories.merging.files import MergedFiles
from flink_jobs.histories.tables.finding import check_absent
from flink_jobs.histories.tables.tables import Tables
from flink_jobs.records.wording import first_names

_TOPIC_SCHEME = "kafka://"
_MOST_NAMED = 3


def open_source(history: str | InputFiles, config: DriftJobConfig) -> Source:
    """The history that lies at a path or on a topic, or whose files were found already.

    Raises
    ------
    SourceError
        When there is none, or it cannot be read.
    ConfigError
        When a property of the Kafka client is wrong.
    """
    if isinstance(history, InputFiles):
        return _of_files(history, config)
    if history.startswith(_TOPIC_SCHEME):
        # It loads a Kafka client, an eighth of the time in which a process starts.
        from flink_jobs.histories.topics.ranges import KafkaRange

        return KafkaRange(history, config)
    files = find_files(Path(history))
    source = _of_files(files, config)
    # Each file was opened to find its columns: a footer of 381 row groups took 12 MB.
    _give_back_freed_memory()
    source.name = history
    if files.passed_over:
        source.warnings.append(
            f"ignored in the folder: {first_names(files.passed_over, _MOST_NAMED)}"
        )
    empty = [path.name for path in files.paths if path.stat().st_size == 0]
    if empty:
        source.warnings.append(f"empty files: {first_names(empty, _MOST_NAMED)}")
    return source


def _of_files(files: InputFiles, config: DriftJobConfig) -> Source:
    n_files = len(files.paths)
    decoder = LineDecoder(config)
    if config.columns.files == "side_by_side" and n_files > 1:
        each = [
            InputFiles(files.format, (path,), titles=(name,), n_beside=n_files)
            for path, name in zip(files.paths, files.names, strict=True)
        ]
        sources = [_in_turn(file, config, decoder) for file in each]
        merged = MergedFiles(sources)
        merged.warnings += _lacking(sources, config)
        return merged
    source = _in_turn(files, config, decoder)
    source.warnings += _lacking([source], config)
    return source


def _lacking(sources: Sequence[Source], config: DriftJobConfig) -> list[str]:
    """Say which columns some tables lack that others have."""
    tables = [source for source in sources if isinstance(source, Tables)]
    shapes = {name: shape for table in tables for name, shape in table.shapes.items()}
    return check_absent(shapes, config.columns)


def _in_turn(files: InputFiles, config: DriftJobConfig, decoder: LineDecoder) -> Source:
    if files.format == "json_lines":
        return JsonLines(files, decoder, chunk_bytes=max(1 << 16, CHUNK_BYTES // files.n_beside))
    return Tables(files, config)


def _give_back_freed_memory() -> None:
    """Give back to the system what is free now: this process will not need as much again."""
    # Other C libraries have no such call, and need none.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
