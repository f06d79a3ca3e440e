"""Run the demonstration's streams for many seeds, without Kafka and Flink, and count the outcomes.

    python -m scripts.demo_seeds --seeds 240

About 3 s of a core for each seed. Exits with 1 where a model is judged wrongly, or where anything
but drift is reported.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.progress import track

from flink_jobs.demo.outcome import judge_models
from flink_jobs.demo.streams import make_streams
from flink_jobs.records.alerts import Cause
from scripts.shared.offline_demo import report


def main(
    seeds: Annotated[int, typer.Option(min=1, help="seeds from the first one on")] = 240,
    first: Annotated[int, typer.Option(min=0, help="the first seed")] = 0,
) -> None:
    """Count for each model in how many runs its verdict was right, and what else was reported."""
    right: Counter[str] = Counter()
    others: Counter[tuple[str, str]] = Counter()
    for seed in track(range(first, first + seeds), "Running"):
        streams = make_streams(seed)
        reported = report(streams)
        right.update(one.model for one in judge_models(streams, reported) if one.is_right)
        others.update((a.model, a.cause) for a in reported.alerts if a.cause != Cause.DRIFT)
    print(f"| model | right in {seeds} runs |")
    print("| --- | ---: |")
    for stream in make_streams(first):
        print(f"| `{stream.model}` | {right[stream.model]} |")
    for (model, cause), n in sorted(others.items()):
        print(f"{model}: {n} alerts of cause {cause}")
    raise typer.Exit(int(bool(others) or right.total() < len(make_streams(first)) * seeds))


if __name__ == "__main__":
    typer.run(main)
