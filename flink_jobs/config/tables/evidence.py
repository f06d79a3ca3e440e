"""The table of a configuration about the events that are kept of an incident."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from flink_jobs.config.tables.base import Table

MOST_ROWS = 1_000


class EvidenceTable(Table, frozen=True, kw_only=True):
    """The sample of events that is kept of an incident, for reports and ``kafka.evidence_topic``.

    Attributes
    ----------
    rows : int
        Events of the reference and of the window, at most; 0 keeps no evidence.
    max_bytes : int
        Of one record as JSON. Where columns are many it has fewer events.
    columns : list of str
        Columns that are kept besides those of the view, as ``views.columns`` names them: such as
        ``"features"`` where outputs are watched.
    """

    rows: Annotated[int, Meta(ge=0, le=MOST_ROWS)] = 500
    max_bytes: Annotated[int, Meta(ge=10_000, le=10_485_760)] = 900_000
    columns: list[Annotated[str, Meta(min_length=1)]] = msgspec.field(default_factory=list)
