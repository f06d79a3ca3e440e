"""Errors about schemas, as the dead letters of the records that name them say them."""

from __future__ import annotations

from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason


class UnusableSchemaError(ValueError):
    """A schema that cannot be had or cannot be used: so cannot the records that it describes.

    Attributes
    ----------
    reason : Reason
        ``unknown_schema`` or ``unusable_schema``.
    detail : str
    """

    def __init__(self, detail: str, reason: Reason = Reason.UNUSABLE_SCHEMA) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)

    def of_event(self) -> UnusableEventError:
        """Describe a record that the schema describes."""
        return UnusableEventError(self.reason, self.detail)


class RegistryDownError(ConnectionError):
    """A registry that did not answer for as long as records wait."""
