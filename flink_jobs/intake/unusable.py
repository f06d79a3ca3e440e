"""Errors of events that cannot be used, as their dead letters say them."""

from __future__ import annotations

from flink_jobs.records.dead_letters import Reason

_DETAIL_CHARACTERS = 300
_SHOWN_CHARACTERS = 60


class UnusableEventError(ValueError):
    """An event that goes to the dead letters."""

    def __init__(self, reason: Reason, detail: str, event_id: str | None = None) -> None:
        self.reason = reason
        self.detail = detail[:_DETAIL_CHARACTERS]
        self.event_id = event_id
        super().__init__(f"{reason}: {self.detail}")


def wrong_length(name: str, n: int, n_expected: int, event_id: str | None) -> UnusableEventError:
    """Describe an event of which a vector has another number of elements than it should."""
    detail = f"{n} {name}, expected {n_expected}"
    return UnusableEventError(Reason.WRONG_LENGTH, detail, event_id)


def not_finite(name: str, event_id: str | None) -> UnusableEventError:
    """Describe an event in which something that should be a number is none."""
    detail = f"{name} is missing, NaN or infinite"
    return UnusableEventError(Reason.NOT_FINITE, detail, event_id)


def without_value(name: str, event_id: str | None) -> UnusableEventError:
    """Describe an event that lacks a category which may not be missing."""
    return UnusableEventError(Reason.INVALID_EVENT, f"{name} is missing", event_id)


def shown_value(value: object) -> str:
    """Show a value in an error, cut to 60 characters.

    Examples
    --------
    >>> shown_value("soon")
    "'soon'"
    """
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def encodable(text: str) -> str:
    r"""Unpaired surrogates as ``\udXXX``: UTF-8 has no bytes for them, so no dead letter has."""
    return text.encode(errors="backslashreplace").decode()
