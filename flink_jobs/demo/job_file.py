"""The job.toml that the demonstration runs, written so that people can read it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.config.loading import decode_config
from flink_jobs.demo.classifier import DIGIT_NAMES, N_PIXELS
from flink_jobs.demo.timing import (
    N_REFERENCE,
    OUT_OF_ORDERNESS_MS,
    PANE_MS,
    SLIDE_MS,
    WINDOW_MS,
)


class Topics(NamedTuple):
    """The five topics; by default as a configuration calls them."""

    inference: str = "inference"
    alerts: str = "drift-alerts"
    scores: str = "drift-scores"
    dead_letters: str = "drift-dead-letters"
    status: str = "drift-status"

    def with_prefix(self, prefix: str) -> Topics:
        """The same topics with a common beginning.

        Examples
        --------
        >>> Topics().with_prefix("second-").alerts
        'second-drift-alerts'
        """
        return Topics(*(prefix + name for name in self))


class Views(NamedTuple):
    """The two views of each model, by what they are called."""

    inputs: str = "inputs"
    outputs: str = "outputs"


VIEWS = Views()

_TEMPLATE = """\
# The job of `loudly demo`. Try `loudly validate job.toml`.
version = 1

[job]
name = "loudly-demo"
checkpoint_interval_ms = 5_000

[kafka]
bootstrap_servers = "{bootstrap_servers}"
inference_topic = "{topics.inference}"
alerts_topic = "{topics.alerts}"
scores_topic = "{topics.scores}"
dead_letters_topic = "{topics.dead_letters}"
status_topic = "{topics.status}"

[input]
max_out_of_orderness_ms = {out_of_orderness_ms}

# Each event carries an image and the classifier's answer to it: how likely each digit is.
[columns.features]
pixels = {{type = "vector", size = {n_pixels}}}

[columns.outputs]
digit = {{kind = "class_probabilities", class_names = [{digit_names}]}}

[panes]
width_ms = {pane_ms}

# Ten minutes of events, every two minutes.
[window]
kind = "time"
size_ms = {window_ms}
slide_ms = {slide_ms}

# The first ten minutes of each model.
[reference]
kind = "first_events"
n_events = {n_reference}

# Do the images still look as they did? One Kolmogorov-Smirnov test for each pixel.
[[views]]
name = "{views.inputs}"
columns = ["features"]

# BBSDs: do the answers still look as they did? One Kolmogorov-Smirnov test for each digit.
[[views]]
name = "{views.outputs}"
columns = ["outputs"]

# While nothing drifts, a model runs for 30 days on average until a false alarm, or longer.
[calibration]
kind = "expected_run_time"
time_ms = 2_592_000_000

[policy]
windows_to_start = 1
ongoing_every_ms = 600_000
"""


def job_text(bootstrap_servers: str, topics: Topics) -> str:
    """The text of the job.toml."""
    return _TEMPLATE.format(
        bootstrap_servers=bootstrap_servers,
        topics=topics,
        out_of_orderness_ms=OUT_OF_ORDERNESS_MS,
        pane_ms=PANE_MS,
        window_ms=WINDOW_MS,
        slide_ms=SLIDE_MS,
        n_reference=N_REFERENCE,
        n_pixels=N_PIXELS,
        digit_names=", ".join(f'"{name}"' for name in DIGIT_NAMES),
        views=VIEWS,
    )


def write_job_file(path: Path, bootstrap_servers: str, topics: Topics) -> DriftJobConfig:
    """Write the job.toml and return what it says."""
    text = job_text(bootstrap_servers, topics)
    path.write_text(text, encoding="utf-8")
    return decode_config(text.encode())
