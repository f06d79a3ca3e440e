"""Options that several commands have in common."""

from __future__ import annotations

from typing import Annotated

import typer

BootstrapServers = Annotated[
    str, typer.Option(help="Host and port of the broker.", envvar="LOUDLY_BOOTSTRAP_SERVERS")
]
ClientProperties = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        metavar="NAME=VALUE",
        help="A setting of the Kafka client; the value may be ${env:NAME} or ${file:PATH}.",
    ),
]
TruthColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A column of the history that labels its drifted events: truth values, numbers (0 for "
        "none) or the drifts' names.",
    ),
]
