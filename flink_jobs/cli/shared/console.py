"""The consoles that commands print to."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from flink_jobs.records.shown import shown_lines


class PlainConsole(Console):
    r"""A console on which text is never more than text.

    Markup, emoji codes and highlighting are off, and no text drives the terminal: what came from a
    topic or a file may hold anything. Line breaks pass, so a name needs
    :func:`flink_jobs.records.shown.shown` all the same.

    Examples
    --------
    >>> PlainConsole().print("fr\x1b[31mred [red] :warning:")
    fr\x1b[31mred [red] :warning:
    """

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(
            stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as Rich does, with escapes in the place of what cannot be seen."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=shown_lines(segment.text))


def stdout() -> Console:
    """A console on standard output."""
    return PlainConsole()


def stderr() -> Console:
    """A console on standard error."""
    return PlainConsole(stderr=True, soft_wrap=True)
