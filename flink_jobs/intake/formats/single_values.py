"""Single values of JSON messages, such as a model's name, without reading the rest of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.base import Messages
from flink_jobs.intake.formats.json import DECODING_FAILS, decode_tolerantly
from flink_jobs.intake.formats.trees import at_path
from flink_jobs.intake.unusable import UnusableEventError
from flink_jobs.records.dead_letters import Reason


def json_values(messages: Messages, paths: Sequence[Path]) -> list[Sequence[Any]]:
    """Look values up in JSON objects, as a format's ``values`` gives them.

    Parameters
    ----------
    messages : Messages
    paths : sequence of Path

    Returns
    -------
    list of sequence
        For each path the value of each message: None where there is none, an
        :class:`~flink_jobs.intake.unusable.UnusableEventError` where the message is not an object.

    Examples
    --------
    >>> found = json_values(Messages([b'{"a": {"b": 1}}', b"{"], lambda: []), [("a", "b")])
    >>> found[0][0], found[0][1].reason.value
    (1, 'undecodable')
    """
    keys = tuple(dict.fromkeys(path[0] for path in paths if path and isinstance(path[0], str)))
    decode = _decoder(keys)
    trees: list[Any] = []
    problems: dict[int, UnusableEventError] = {}
    for place, payload in enumerate(messages.payloads):
        try:
            trees.append(msgspec.structs.asdict(decode_tolerantly(decode, payload)))
        except DECODING_FAILS as error:
            problems[place] = undecodable(error)
            trees.append(None)
    return [_with(at_path(_renamed(trees, keys), path), problems) for path in paths]


def decode_leniently(decoder: Any, payload: bytes) -> Any:
    """Decode a payload in which NaN and Infinity may stand, which stay numbers.

    Parameters
    ----------
    decoder : msgspec.json.Decoder
    payload : bytes

    Raises
    ------
    Exception
        Those of :data:`~flink_jobs.intake.formats.json.DECODING_FAILS`.

    Examples
    --------
    >>> decode_leniently(msgspec.json.Decoder(), b'{"x": [NaN, -Infinity]}')
    {'x': [nan, -inf]}
    """
    try:
        return decoder.decode(payload)
    except DECODING_FAILS:
        if b"NaN" not in payload and b"Infinity" not in payload:
            raise
    try:
        tree = json.loads(payload.decode())
    except (ValueError, RecursionError) as error:
        raise msgspec.DecodeError(str(error) or type(error).__name__) from error
    return msgspec.convert(tree, decoder.type)


def undecodable(error: Exception) -> UnusableEventError:
    """Describe a message that is not JSON, or is JSON of another shape than its format's."""
    is_other = isinstance(error, msgspec.ValidationError)
    reason = Reason.INVALID_EVENT if is_other else Reason.UNDECODABLE
    return UnusableEventError(reason, str(error) or type(error).__name__)


@lru_cache(maxsize=64)
def _decoder(keys: tuple[str, ...]) -> Any:
    fields = [(f"k{place}", Any, None) for place in range(len(keys))]
    rename = {f"k{place}": key for place, key in enumerate(keys)}
    return msgspec.json.Decoder(
        msgspec.defstruct("Values", fields, rename=rename, kw_only=True, gc=False)
    ).decode


def _renamed(trees: Sequence[Any], keys: Sequence[str]) -> list[Any]:
    return [tree if tree is None else dict(zip(keys, tree.values(), strict=True)) for tree in trees]


def _with(values: list[Any], problems: dict[int, UnusableEventError]) -> list[Any]:
    for place, error in problems.items():
        values[place] = error
    return values
