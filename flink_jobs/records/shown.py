"""Text from outside made safe to show: in a terminal, a log, a page, a plot."""

from __future__ import annotations

import html
import re
import shlex

MOST_CHARACTERS = 200
_KEPT_AT_END = 20
# The longest path of Linux: a command that is cut cannot be run.
_MOST_OF_ARGUMENT = 4_096
# Invisible, though Unicode counts them among letters, marks and symbols.
_INVISIBLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d159\U0001d173-\U0001d17a\U000e0100-\U000e01ef"
)
_MAY_BE_HIDDEN = re.compile(rf"[^\x20-\x7e\w]|[{_INVISIBLE}]")
_INVISIBLE_ONES = re.compile(f"[{_INVISIBLE}]")


def shown(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""Write what cannot be seen as escapes, and cut what is too long.

    A name may come from anyone who can write to a topic. Control characters drive the terminal that
    prints them, marks of writing direction and characters without width make one name look like
    another, and a line break starts a line that we never wrote.

    Parameters
    ----------
    text : str
    most : int, default 200
        Characters that are shown, at least 22; of a longer text the end is kept too.

    Returns
    -------
    str
        One line of printable text; applied again it stays as it is.

    Examples
    --------
    >>> print(shown("fr\x1b[31mred\x07"), shown("a\u202eb\n"), shown("größer 模型"))
    fr\x1b[31mred\x07 a\u202eb\n größer 模型
    >>> shown("m" * 300, most=30)
    'mmmmmmmmm…mmmmmmmmmmmmmmmmmmmm'
    """
    text = _MAY_BE_HIDDEN.sub(_escape, text)
    if len(text) <= most:
        return text
    return f"{text[: most - _KEPT_AT_END - 1]}…{text[-_KEPT_AT_END:]}"


def shown_lines(text: str) -> str:
    r"""Do the same to a text of our own in which names from outside stand: its lines stay, uncut.

    Examples
    --------
    >>> shown_lines("two problems:\nmodel \x1b")
    'two problems:\nmodel \\x1b'
    """
    return "\n".join(_MAY_BE_HIDDEN.sub(_escape, line) for line in text.split("\n"))


def shown_argument(text: str) -> str:
    """The text as one argument of a shell's command line.

    Examples
    --------
    >>> shown_argument("history.csv"), shown_argument("my data.csv")
    ('history.csv', "'my data.csv'")
    """
    return shlex.quote(shown(text, _MOST_OF_ARGUMENT))


def shown_html(text: str) -> str:
    r"""Do the same for a text that becomes HTML, as the labels of plotly's charts do.

    Examples
    --------
    >>> shown_html("<b>a\x00")
    '&lt;b&gt;a\\x00'
    """
    return html.escape(shown(text))


def shown_json(encoded: str) -> str:
    r"""Write what cannot be seen in JSON as JSON's own escapes; what it says stays the same.

    Examples
    --------
    >>> shown_json('{"model":"a\u202eb"}')
    '{"model":"a\\u202eb"}'
    """
    return _MAY_BE_HIDDEN.sub(_escape_in_json, encoded)


def _is_hidden(character: str) -> bool:
    return not character.isprintable() or bool(_INVISIBLE_ONES.match(character))


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return ascii(character)[1:-1] if _is_hidden(character) else character


def _escape_in_json(found: re.Match[str]) -> str:
    if not _is_hidden(found[0]):
        return found[0]
    units = found[0].encode("utf-16-be", "surrogatepass")
    pairs = [units[i : i + 2].hex() for i in range(0, len(units), 2)]
    return "".join(f"\\u{pair}" for pair in pairs)
