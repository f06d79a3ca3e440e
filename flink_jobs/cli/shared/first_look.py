"""A look at the events that a topic holds, before a job is submitted that shall read them."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from flink_jobs.config.job import DriftJobConfig
from flink_jobs.histories.errors import BacktestError, SourceError
from flink_jobs.records.shown import shown
from flink_jobs.records.wording import count

_MOST_EXAMPLES = 3


def look_at_events(config: DriftJobConfig, console: Console, *, is_forced: bool = False) -> None:
    """Say what looks wrong with a sample of the inference topic; nothing where all is well.

    Parameters
    ----------
    config : DriftJobConfig
    console : Console
    is_forced : bool
        Whether the job is submitted even where not one event of the sample can be used.

    Raises
    ------
    BacktestError
        When not one event of the sample can be used.
    """
    # They load a Kafka client and the readers of all formats.
    from flink_jobs.setup.description import describe_sample
    from flink_jobs.setup.opening import take_sample

    kafka = config.kafka
    try:
        sample = take_sample(
            f"kafka://{kafka.inference_topic}", kafka.properties, kafka.bootstrap_servers
        )
    except SourceError as error:
        # An empty topic is as it should be, and what forbids to read it has been looked for.
        _warn(console, f"the events were not looked at: {shown(str(error))}")
        return
    report = describe_sample(config, sample)
    hints = list(report.hints)
    hints += [f"{each.name}: {hint}" for each in report.columns for hint in each.hints]
    for hint in hints:
        _warn(console, hint)
    for each in report.refused[:_MOST_EXAMPLES]:
        _warn(console, f"{count(each.n, 'event')} refused, {each.reason}: {each.example}")
    if report.is_unusable and report.n_messages and not is_forced:
        raise BacktestError(
            f"not one of {count(report.n_messages, 'event')} that were looked at on "
            f"{kafka.inference_topic} can be used, see above: correct the configuration "
            "(loudly validate --sample shows each column), or give --force"
        )


def _warn(console: Console, text: str) -> None:
    console.print(Text.assemble(("! ", "bold yellow"), text), soft_wrap=True)
