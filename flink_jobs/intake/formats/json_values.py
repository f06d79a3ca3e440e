"""Single values of JSON payloads, by their paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from flink_jobs.config.paths import Path
from flink_jobs.intake.formats.json import DECODING_FAILS, lenient_tree
from flink_jobs.intake.formats.json_structs import NestedStructs, NotNestedError
from flink_jobs.intake.formats.trees import at_path
from flink_jobs.intake.unusable import UnusableEventError

SINGLE = str | int | float | bool | None


class JsonValues:
    """Looks values up in objects of JSON, most of them in one step and without the rest.

    Parameters
    ----------
    paths : sequence of Path

    Examples
    --------
    >>> values = JsonValues([("meta", "at"), ("n", 1)])
    >>> values.of([b'{"meta": {"at": 7}, "n": [1, 2]}', b"{}", b"{"])[0]
    [7, None, UnusableEventError('undecodable: Input data was truncated')]
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._structs = _structs(self._paths)

    def of(self, payloads: Sequence[bytes]) -> list[Sequence[Any]]:
        """Return for each path the value of each payload.

        None where there is none, and an UnusableEventError where the payload cannot be read.
        """
        if self._structs is not None:
            try:
                return self._structs.columns(list(map(self._structs.decode, payloads)))
            except DECODING_FAILS:
                pass
        return self._one_by_one(payloads)

    def _one_by_one(self, payloads: Sequence[bytes]) -> list[Sequence[Any]]:
        found: list[list[Any]] = [[] for _ in self._paths]
        decode = None if self._structs is None else self._structs.decode
        for payload in payloads:
            for own, value in zip(found, self._values(decode, payload), strict=True):
                own.append(value)
        return list(found)

    def _values(self, decode: Callable[[bytes], Any] | None, payload: bytes) -> Sequence[Any]:
        if decode is not None and self._structs is not None:
            try:
                return [each[0] for each in self._structs.columns([decode(payload)])]
            except DECODING_FAILS:
                pass
        try:
            tree = lenient_tree(payload)
        except UnusableEventError as error:
            return [error] * len(self._paths)
        return [at_path([tree], path)[0] for path in self._paths]


@lru_cache(64)
def _structs(paths: tuple[Path, ...]) -> NestedStructs | None:
    try:
        return NestedStructs({path: (SINGLE, True) for path in paths}, paths)
    except NotNestedError:
        return None
