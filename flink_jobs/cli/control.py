"""``loudly control``: a command for each kind of :mod:`flink_jobs.records.control`."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flink_jobs.cli.shared.console import stderr, stdout
from flink_jobs.cli.shared.errors import told_plainly
from flink_jobs.cli.shared.options import BootstrapServers, ClientProperties
from flink_jobs.records.control import KINDS, Audit, Command, Outcome
from flink_jobs.records.shown import shown, shown_lines
from flink_jobs.times import iso_ms

if TYPE_CHECKING:
    from flink_jobs.kafka.following import RecordFollower
    from flink_jobs.kafka.sending import CommandSender

REFUSED = 1
UNANSWERED = 3

control = typer.Typer(
    name="control",
    help="Send a command to a running job and print its answers.",
    no_args_is_help=True,
)


def _snooze(
    until_ms: Annotated[
        int | None, typer.Option(help="Event time in milliseconds since 1970.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="The same as 2026-01-31T12:00:00+01:00; UTC without an offset."
        ),
    ] = None,
) -> dict[str, Any]:
    if (until is None) == (until_ms is None):
        raise typer.BadParameter("give one of --until and --until-ms")
    return {"until_ms": until_ms if until is None else _parse_time(until)}


def _acknowledge(
    incident: Annotated[str, typer.Option(metavar="ID", help="The incident_id of its alerts.")],
) -> dict[str, Any]:
    return {"incident_id": incident}


def _configure(
    change: Annotated[
        str,
        typer.Option(
            metavar="FILE.toml|JSON",
            help="Tables with the keys that differ from the job's file; {} goes back to it.",
        ),
    ],
) -> dict[str, Any]:
    return {"change": _read_change(change)}


def _no_keys() -> dict[str, Any]:
    return {}


def _send(
    kind: str,
    more: dict[str, Any],
    model: Annotated[
        str, typer.Argument(help="A model, or a pattern of models in which * is any text.")
    ],
    effective_ms: Annotated[
        int | None, typer.Option(help="Event time from which it holds; at once by default.")
    ] = None,
    issued_by: Annotated[
        str,
        typer.Option(
            help="Who sends it, for the audit.", envvar=["LOUDLY_ISSUED_BY", "USER", "LOGNAME"]
        ),
    ] = "",
    command_id: Annotated[
        str | None, typer.Option(help="Carried by the answers; a new one by default.")
    ] = None,
    bootstrap_servers: BootstrapServers = "127.0.0.1:9092",
    topic: Annotated[str, typer.Option(help="The control topic.")] = "drift-control",
    audit_topic: Annotated[str, typer.Option(help="The topic of answers.")] = "drift-audit",
    wait_s: Annotated[
        float, typer.Option(min=0.0, help="How long to wait for answers; 0: do not wait.")
    ] = 30.0,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for programs.")
    ] = False,
    properties: ClientProperties = None,
) -> None:
    from flink_jobs.kafka.following import RecordFollower
    from flink_jobs.kafka.properties import parse_properties
    from flink_jobs.kafka.sending import CommandSender

    shared = {"effective_ms": effective_ms, "issued_by": issued_by}
    command_id = command_id or str(uuid.uuid4())
    command = _checked_command(
        {"kind": kind, "command_id": command_id, "model": model, **shared, **more}
    )
    parsed = parse_properties(properties or [])
    sender = CommandSender(bootstrap_servers, topic, properties=parsed)
    follower = RecordFollower(bootstrap_servers, audit_topic, Audit, start="end", properties=parsed)
    outcomes = _exchange(command, sender, follower if wait_s else None, wait_s, as_json=json)
    if wait_s and not outcomes:
        _say_unanswered(model, topic, audit_topic, wait_s)
        raise typer.Exit(UNANSWERED)
    if Outcome.REFUSED in outcomes:
        raise typer.Exit(REFUSED)


def _exchange(
    command: Command,
    sender: CommandSender,
    follower: RecordFollower[Audit] | None,
    wait_s: float,
    *,
    as_json: bool,
) -> set[Outcome]:
    """Send the command and show its answers; what they were."""
    from flink_jobs.kafka.sending import answers

    outcomes = set()
    with sender, follower or nullcontext():
        # The follower stands at the topic's end by now, so that no answer comes before it listens.
        sender.send(command)
        stderr().print(f"sent as {command.command_id}")
        for audit in answers(follower, command, wait_s) if follower else ():
            _show(audit, as_json=as_json)
            outcomes.add(audit.outcome)
    return outcomes


def _checked_command(tree: dict[str, Any]) -> Command:
    """Refuses here what the job would refuse, without its having to be there."""
    import msgspec

    from flink_jobs.records.command_decoder import UnusableCommandError, decode_command

    try:
        key, value = str(tree["model"]).encode(), msgspec.json.encode(tree)
        return decode_command(key, value, partition=0, offset=0).command
    except UnusableCommandError as error:
        raise typer.BadParameter(shown_lines(str(error))) from error
    except UnicodeEncodeError as error:
        raise typer.BadParameter("the command holds text that is not UTF-8") from error


def _show(audit: Audit, *, as_json: bool) -> None:
    from flink_jobs.reports.text.alerts import to_json_line
    from flink_jobs.reports.text.audits import audit_line
    from flink_jobs.reports.text.statuses import status_table

    if as_json:
        typer.echo(to_json_line(audit))
        return
    console = stdout()
    console.print(audit_line(audit), soft_wrap=True)
    if audit.status is not None and audit.kind == "describe":
        console.print(status_table(audit.status, audit.state_bytes))


def _say_unanswered(model: str, topic: str, audit_topic: str, wait_s: float) -> None:
    stderr().print(
        f"No answer came on the topic {audit_topic} within {wait_s:g} s. The command stays on "
        f"{topic} and holds once a job reads it. Check that the job runs, that its file has "
        f'kafka.control_topic = "{topic}" and kafka.audit_topic = "{audit_topic}", and that the '
        f'model {model} sends events. With job.delivery = "exactly_once" answers come with the '
        "next checkpoint: a longer --wait-s may help."
    )


def _parse_time(text: str) -> int:
    try:
        return iso_ms(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"--until {text!r} is not a time; give one like 2026-01-31T12:00"
        ) from error


def _read_change(text: str) -> Any:
    import msgspec

    try:
        if text.lstrip().startswith("{"):
            return msgspec.json.decode(text)
        return msgspec.toml.decode(Path(text).read_bytes())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise typer.BadParameter(
            shown_lines(f"--change is neither TOML nor JSON: {error}")
        ) from error
    except OSError as error:
        wrong = error.strerror or type(error).__name__
        message = f"--change {shown(text)}: {wrong}; give a TOML file or JSON"
        raise typer.BadParameter(message) from error


def _sending(kind: str, own_keys: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """The function behind a command: the options of its kind and those that all share."""
    own = inspect.signature(own_keys, eval_str=True).parameters
    shared = list(inspect.signature(_send, eval_str=True).parameters.values())[2:]

    def send(**options: Any) -> None:
        with told_plainly():
            _send(kind, own_keys(**{name: options.pop(name) for name in own}), **options)

    # Typer reads options from signatures; all are given by name.
    together = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own.values(), *shared)
    ]
    send.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]
    send.__annotations__ = {each.name: each.annotation for each in together}
    return send


_OWN_KEYS: dict[str, Callable[..., dict[str, Any]]] = {
    "snooze": _snooze,
    "acknowledge": _acknowledge,
    "configure": _configure,
}
for _kind, _command in KINDS.items():
    control.command(
        _kind.replace("_", "-"),
        help=inspect.cleandoc(_command.__doc__ or "").replace("``", ""),
    )(_sending(_kind, _OWN_KEYS.get(_kind, _no_keys)))
