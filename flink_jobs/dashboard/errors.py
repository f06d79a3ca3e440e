"""Errors that keep the live page from starting."""

from __future__ import annotations

from flink_jobs.kafka.errors import FollowError


class DashboardError(FollowError):
    """A page that cannot be served; the message says what to do."""
