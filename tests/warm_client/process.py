"""The process that stays: a request is a line of JSON, and so is its answer."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pyflink.java_gateway import get_gateway

_JOB_ID = re.compile(rb"Job has been submitted with JobID ([0-9a-f]{32})")
_SETTINGS = {
    "execution.target": "remote",
    "execution.attached": "false",
    "python.client.executable": sys.executable,
}


def main(log: Path) -> None:
    """Answer one request after the other until the input ends."""
    with _answers(log) as answers:
        for line in sys.stdin:
            try:
                answer = {"job_id": _submit(log, **json.loads(line))}
            except BaseException:
                answer = {"error": traceback.format_exc()}
            print(json.dumps(answer), file=answers, flush=True)


def _answers(log: Path) -> TextIO:
    """Give where answers go; what jobs and the JVM print goes into the log."""
    answers = os.fdopen(os.dup(1), "w")
    with log.open("wb") as output:
        os.dup2(output.fileno(), 1)
    return answers


def _submit(log: Path, module: str, arguments: Sequence[str], settings: Mapping[str, str]) -> str:
    """Run a module as Flink's client does, and return the id of the job that it made."""
    _become_context(_SETTINGS | dict(settings))
    before, path = log.stat().st_size, list(sys.path)
    sys.path[:0] = [str(Path(each).parent) for each in settings["python.files"].split(",")[1:]]
    sys.argv[1:] = arguments
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.path[:] = path
    # It is the JVM that prints it, before the call comes back.
    [job_id] = _JOB_ID.findall(log.read_bytes()[before:])
    return str(job_id.decode())


def _become_context(settings: Mapping[str, str]) -> None:
    """Have jobs find the environment that ``flink run`` would have made for them."""
    jvm: Any = get_gateway().jvm
    configuration = jvm.org.apache.flink.configuration.Configuration()
    for key, value in settings.items():
        configuration.setString(key, value)
    any_number = jvm.Integer.MAX_VALUE
    jvm.org.apache.flink.client.program.StreamContextEnvironment.setAsContext(
        jvm.org.apache.flink.core.execution.DefaultExecutorServiceLoader(),
        configuration,
        jvm.Thread.currentThread().getContextClassLoader(),
        any_number,
        any_number,
        False,
        None,
        None,
        jvm.java.util.ArrayList(),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
