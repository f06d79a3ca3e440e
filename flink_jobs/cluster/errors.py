"""Errors around the child processes."""

from __future__ import annotations


class EmbeddedError(RuntimeError):
    """Any failure of the embedded parts; the message says what to do or where to look."""


class MissingPrerequisiteError(EmbeddedError):
    """Something that has to be installed or fetched first is not there."""


class ProcessFailedError(EmbeddedError):
    """A child process ended early or did not become ready in time."""


class SubmissionError(EmbeddedError):
    """Flink's client refused or could not submit a job."""


class FlinkRestError(EmbeddedError):
    """Flink's REST interface could not be reached or answered with an error."""
