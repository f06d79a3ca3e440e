"""Rows that are JSON payloads, decoded by the code that decodes those of the job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from flink_jobs.histories.labels import class_names
from flink_jobs.intake.layouts import Layout, ReadEvents


class PayloadRows:
    """Payloads as they lie on the inference topic.

    Parameters
    ----------
    payloads : sequence of bytes or None
    translate : callable, optional
        From a payload and what its event is called to one with the keys of the event schema.
    label : str
        The key of the true class; empty where there is none.
    """

    has_payloads = True

    def __init__(
        self,
        payloads: Sequence[bytes | None],
        translate: Callable[[bytes, str], bytes] | None = None,
        label: str = "",
    ) -> None:
        self.are_events = translate is None
        self._payloads = payloads
        self._translate = translate
        self._label = label

    def payload(self, row: int) -> bytes | None:
        """The payload of a row."""
        return self._payloads[row]

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Bytes of the chosen payloads; -1 where there is none."""
        chosen = (self._payloads[row] for row in rows.tolist())
        return np.fromiter((-1 if p is None else len(p) for p in chosen), np.int64, len(rows))

    def read(
        self, layout: Layout, rows: NDArray[np.intp], names: Callable[[], list[str]]
    ) -> ReadEvents:
        """Decode the chosen rows; ``names`` is asked where events have no ids."""
        payloads = [self._payloads[row] or b"" for row in rows.tolist()]
        if self._translate is not None:
            pairs = zip(payloads, names(), strict=True)
            payloads = [self._translate(payload, name) for payload, name in pairs]
        return layout.decode(payloads)

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_] | None:
        """The true classes of the chosen rows; what is no number or text is none."""
        if not self._label:
            return None
        decode = _label_decoder(self._label)
        return class_names([_label(decode, self._payloads[row] or b"") for row in rows.tolist()])


@cache
def _label_decoder(key: str) -> Callable[[bytes], Any]:
    fields: list[tuple[str, Any, Any]] = [("label", bool | int | float | str | None, None)]
    labelled = msgspec.defstruct("Labelled", fields, rename={"label": key})
    decoder: Any = msgspec.json.Decoder(labelled)
    return decoder.decode  # type: ignore[no-any-return]


def _label(decode: Callable[[bytes], Any], payload: bytes) -> Any:
    try:
        return decode(payload).label
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
