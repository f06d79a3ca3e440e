"""Rows that are JSON payloads, decoded by the code that decodes those of the job."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from flink_jobs.layouts import Layout, ReadEvents


class PayloadRows:
    """Payloads as they lie on the inference topic.

    Parameters
    ----------
    payloads : sequence of bytes or None
    translate : callable, optional
        From a payload and what its event is called to one with the keys of the event schema.
    """

    has_payloads = True

    def __init__(
        self,
        payloads: Sequence[bytes | None],
        translate: Callable[[bytes, str], bytes] | None = None,
    ) -> None:
        self._payloads = payloads
        self._translate = translate

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
