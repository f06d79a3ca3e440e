"""Takes a sample of events by the name that people give them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flink_jobs.setup.files import sample_files
from flink_jobs.setup.sample import Sample

TOPIC_SCHEME = "kafka://"


def take_sample(
    name: str, properties: Mapping[str, str] | None = None, servers: str = ""
) -> Sample:
    """Take a sample of a file, a folder or a topic.

    Parameters
    ----------
    name : str
        A path, or ``kafka://host:port/topic``.
    properties : mapping of str to str, optional
        Of the Kafka client.
    servers : str
        The brokers of a topic whose name holds none.

    Raises
    ------
    SourceError
        When there is none, or it cannot be read.
    """
    if name.startswith(TOPIC_SCHEME):
        # It loads a Kafka client, an eighth of the time in which a process starts.
        from flink_jobs.setup.topics import sample_topic

        return sample_topic(name, properties, servers)
    return sample_files(Path(name))
