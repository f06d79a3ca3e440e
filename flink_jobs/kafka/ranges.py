"""A job whose configuration is not a file, over its topic or a part of it."""

from __future__ import annotations

from contextlib import closing

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from msgspec import Struct

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.kafka.connecting import connect
from flink_jobs.kafka.errors import FollowError
from flink_jobs.kafka.properties import client_settings


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


def whole_topic(config: DriftJobConfig) -> TopicRange:
    """Give all that the inference topic holds now.

    Raises
    ------
    FollowError
        When the brokers do not answer.
    ConfigError
        When a property of the client is wrong.
    """
    kafka = config.kafka
    settings = client_settings(KafkaConsumer, kafka.properties) | {"group_id": None}
    with closing(connect(KafkaConsumer, kafka.bootstrap_servers, settings)) as consumer:
        try:
            numbers = consumer.partitions_for_topic(kafka.inference_topic) or ()
            partitions = [TopicPartition(kafka.inference_topic, number) for number in numbers]
            starts = consumer.beginning_offsets(partitions)
            ends = consumer.end_offsets(partitions)
        except KafkaError as error:
            raise FollowError(
                f"the topic {kafka.inference_topic!r} cannot be read: {error}"
            ) from error
    return TopicRange(
        {each.partition: offset for each, offset in starts.items()},
        {each.partition: offset for each, offset in ends.items()},
    )


def encode_range_job(job: RangeJob) -> bytes:
    """The job as JSON; secrets stay references."""
    return msgspec.json.encode(job)


def decode_range_job(data: bytes) -> RangeJob:
    """Read what :func:`encode_range_job` wrote."""
    return msgspec.json.decode(data, type=RangeJob)
