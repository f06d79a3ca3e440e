"""Places of the jars of the Kafka broker and of Flink's Kafka connector."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from flink_jobs.cluster.errors import MissingPrerequisiteError

JARS_VARIABLE = "LOUDLY_JARS"
_CHECKOUT = Path(__file__).resolve().parents[2]


def find_jars(kind: Literal["flink", "kafka"], root: Path | None = None) -> list[Path]:
    """The jars of one kind, sorted by name.

    Parameters
    ----------
    kind : {"flink", "kafka"}
        The connector that a Flink cluster needs, or the Kafka broker.
    root : Path, optional
        Folder holding ``flink`` and ``kafka``; by default ``LOUDLY_JARS`` from the environment, or
        else ``build/jars`` of the checkout.

    Raises
    ------
    MissingPrerequisiteError
        When there are none; says how to fetch them.
    """
    folder = (root or _default_root()) / kind
    jars = sorted(folder.glob("*.jar"))
    if not jars:
        raise MissingPrerequisiteError(
            f"no jars in {folder}: run `make jars`, or set {JARS_VARIABLE} to a folder with the "
            "sub-folders flink and kafka"
        )
    return [jar.resolve() for jar in jars]


def _default_root() -> Path:
    chosen = os.environ.get(JARS_VARIABLE)
    return Path(chosen) if chosen else _CHECKOUT / "build" / "jars"
