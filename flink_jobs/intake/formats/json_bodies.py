"""Bodies of messages in JSON, decoded into structs as far as JSON's rules are kept."""

from __future__ import annotations

from typing import Any

import msgspec

from flink_jobs.intake.formats.json import DECODING_FAILS, lenient_tree
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason


def decode_leniently(decoder: Any, payload: bytes) -> Any:
    """Decode a payload in which NaN and Infinity may stand, which stay numbers.

    Parameters
    ----------
    decoder : msgspec.json.Decoder
    payload : bytes

    Raises
    ------
    UnusableEventError
        When it is not JSON, or not of the decoder's shape.

    Examples
    --------
    >>> decode_leniently(msgspec.json.Decoder(), b'{"x": [NaN, -Infinity]}')
    {'x': [nan, -inf]}
    """
    try:
        return decoder.decode(payload)
    except DECODING_FAILS as error:
        if b"NaN" not in payload and b"Infinity" not in payload:
            raise _undecodable(error) from None
    try:
        return msgspec.convert(lenient_tree(payload), decoder.type)
    except msgspec.ValidationError as error:
        raise _undecodable(error) from None


def _undecodable(error: Exception) -> UnusableEventError:
    """Describe a message that is not JSON, or is JSON of another shape than its format's."""
    is_other = isinstance(error, msgspec.ValidationError)
    reason = Reason.INVALID_EVENT if is_other else Reason.UNDECODABLE
    return UnusableEventError(reason, str(error) or type(error).__name__)
