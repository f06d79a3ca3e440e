"""Names and parallelism for operators that Flink's planner makes and leaves without."""

from __future__ import annotations

from typing import Any

from pyflink.datastream import DataStream


def name_operator(stream: DataStream, prefix: str, uid: str) -> None:
    """Give the nearest operator upstream whose name begins so a lasting identity.

    Without one the state of an operator belongs to a place in the job's graph, and is lost when
    another source joins.

    Parameters
    ----------
    stream : DataStream
        Comes from the operator.
    prefix : str
        Of the operator's name.
    uid : str
        The identity in savepoints.

    Raises
    ------
    LookupError
        When there is none.
    """
    transformation = _upstream(stream._j_data_stream.getTransformation(), prefix)
    if transformation is None:
        raise LookupError(f"no operator {prefix!r} upstream")
    transformation.setUid(uid)


def run_alone(stream: DataStream) -> DataStream:
    """Let one subtask do all that lies upstream, so that records stay in their order.

    The planner deals out what a single reader reads to all subtasks.
    """
    _set_parallelism(stream._j_data_stream.getTransformation())
    return stream


def _set_parallelism(transformation: Any) -> None:
    transformation.setParallelism(1)
    for each in transformation.getInputs():
        _set_parallelism(each)


def _upstream(transformation: Any, prefix: str) -> Any:
    if transformation.getName().startswith(prefix):
        return transformation
    for each in transformation.getInputs():
        found = _upstream(each, prefix)
        if found is not None:
            return found
    return None
