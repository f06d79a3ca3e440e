"""A job whose configuration is no file, over its topic or a part of it."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from flink_jobs.config.job import DriftJobConfig


class TopicRange(Struct, frozen=True):
    """A part of each partition.

    Attributes
    ----------
    starts, ends : dict of int to int
        The offsets ``[start, end)``; equal where a partition holds nothing of it.
    """

    starts: dict[int, int]
    ends: dict[int, int]


class RangeJob(Struct, frozen=True):
    """A drift job as it is handed to the process that lays it out.

    Attributes
    ----------
    config : DriftJobConfig
        As it is: no variable of the environment takes the place of an address.
    part : TopicRange or None
        The part of the topic with which the job ends; None for a job over all of it.
    """

    config: DriftJobConfig
    part: TopicRange | None = None


def encode_range_job(job: RangeJob) -> bytes:
    """The job as JSON; secrets stay references."""
    return msgspec.json.encode(job)


def decode_range_job(data: bytes) -> RangeJob:
    """Read what :func:`encode_range_job` wrote."""
    return msgspec.json.decode(data, type=RangeJob)
