"""``python -m flink_jobs.cli`` is ``loudly``."""

from flink_jobs.cli import app

app(prog_name="loudly")
