"""Notices of the monitor for people who read the log."""

from __future__ import annotations

from msgspec import Struct


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One remark about one model; the view and the window where it concerns one.

    Examples
    --------
    >>> import msgspec
    >>> msgspec.json.encode(Notice(model="fraud", text="monitoring starts"))
    b'{"model":"fraud","text":"monitoring starts"}'
    """

    model: str
    text: str
    view: str | None = None
    detector: str | None = None
    window_start_ms: int | None = None
    window_end_ms: int | None = None
