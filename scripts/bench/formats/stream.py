"""The benchmark's topics: the same events of several models, each topic in a format of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.formats.encoders import AVRO_SCHEMA, FEATURES, PROTO_SCHEMA, encoder, rows
from scripts.bench.job.stream import N_PARTITIONS, Stream, model_name

_N_BODIES = 2_000
_SCHEMAS = {"avro": ("event.avsc", AVRO_SCHEMA), "protobuf": ("event.proto", PROTO_SCHEMA)}


@dataclass(frozen=True)
class FormatStream(Stream):
    """Events in one format.

    Attributes
    ----------
    format : str
        As ``input.format`` says it.
    folder : str
        Where its schema lies.
    """

    format: str = "loudly"
    folder: str = ""

    def records(self, partition: int) -> Iterator[tuple[bytes, bytes, int]]:
        """Key, value and time of the events of a partition."""
        encode = encoder(self.format, rows(_N_BODIES))
        keys = [model_name(index).encode() for index in range(self.n_models)]
        for index in range(partition, self.n_events, N_PARTITIONS):
            yield keys[index % self.n_models], encode(str(index), index), self.time_ms(index)

    def job_toml(self, bootstrap_servers: str, results: str, *, is_located: bool = False) -> str:
        """Configuration of the drift job: all features by the mixed test, on windows of two panes.

        ``results`` is what the names of the result topics begin with. Model and time are those of
        records.
        """
        features = "\n".join(f'{name} = "{kind}"' for name, kind in FEATURES.items())
        return f"""
version = 1
[kafka]
bootstrap_servers = "{bootstrap_servers}"
inference_topic = "{self.topic}"
alerts_topic = "{results}-alerts"
scores_topic = "{results}-scores"
dead_letters_topic = "{results}-dead-letters"
group_id = "{results}"
[input]
format = "{self.format}"
{self._schemas()}
[panes]
width_ms = {self.pane_width_ms}
[window]
kind = "time"
size_ms = {2 * self.pane_width_ms}
slide_ms = {self.pane_width_ms}
[reference]
kind = "first_events"
n_events = {self.n_reference}
{self._columns()}
[columns.features]
{features}
[[views]]
name = "features"
columns = ["features"]
"""

    def _schemas(self) -> str:
        if self.format not in _SCHEMAS:
            return ""
        name, text = _SCHEMAS[self.format]
        path = Path(self.folder, name)
        path.write_text(text)
        return f'schemas = {{file = "{path}"}}'

    def _columns(self) -> str:
        match self.format:
            case "loudly":
                return "[columns]"
            case "json":
                return '[columns]\nfeatures_at = "request.features"\nevent_id = "id"'
            case "open_inference":
                return "[columns]"
            case _:
                return '[columns]\nfeatures_at = "features"\nevent_id = "event_id"'
