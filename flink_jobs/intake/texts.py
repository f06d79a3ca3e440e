"""Texts of categories and the codes that stand for them in a pane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flink_jobs.config.columns import BOOLEAN_TEXTS

Texts = Mapping[int, Sequence[str]]
"""By the place of a slot: the text of each of its codes."""
NO_TEXTS: Texts = MappingProxyType({})
MOST_CHARACTERS = 256
_DIGEST_CHARACTERS = 16
# Dictionaries up to this size are put in order together, all as if they had the largest one's.
_FEW_TEXTS = 64


def cut(text: str) -> str:
    """Cut a text that is longer than 256 characters, so that two texts stay two.

    Its first 239 characters are kept, then come an ellipsis and 16 hexadecimal digits of the
    BLAKE2b digest of all of it.

    Examples
    --------
    >>> cut("basic"), len(cut("a" * 1_000)), cut("a" * 1_000) == cut("a" * 1_001)
    ('basic', 256, False)
    """
    if len(text) <= MOST_CHARACTERS:
        return text
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_CHARACTERS // 2)
    return f"{text[: MOST_CHARACTERS - _DIGEST_CHARACTERS - 1]}…{digest.hexdigest()}"


def category_text(value: str | float) -> str:
    """Say what a category is called that came as something else than text.

    Examples
    --------
    >>> category_text(7), category_text(7.0), category_text(True), category_text("seven")
    ('7', '7', 'true', 'seven')
    """
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, bool):
        return BOOLEAN_TEXTS[value]
    return cut(str(int(value)))


class TextCodes:
    """Gives the values of a category their codes, in the order in which they first appear.

    Parameters
    ----------
    are_booleans : bool
        Whether the values are of a boolean column, in which 1 is the same as true.

    Examples
    --------
    >>> codes = TextCodes()
    >>> codes.of(["basic", None, "plus", "basic"]), codes.texts
    (array([ 0., nan,  1.,  0.]), ['basic', 'plus'])
    >>> TextCodes(are_booleans=True).of([True, 1, False])
    array([0., 0., 1.])
    """

    def __init__(self, *, are_booleans: bool = False) -> None:
        self._are_booleans = are_booleans
        self._code_of: dict[Any, float] = {None: np.nan}
        self._code_of_text: dict[str, float] = {}

    @property
    def texts(self) -> list[str]:
        """The text of each code so far."""
        return list(self._code_of_text)

    def of(self, values: Sequence[Any]) -> NDArray[np.float64]:
        """Return the codes of texts, whole numbers and booleans; NaN for None."""
        # 1 and true are one key of a mapping, and two categories.
        if not self._are_booleans and not set(map(type, values)) <= {str, type(None)}:
            values = [None if value is None else category_text(value) for value in values]
        try:
            return np.fromiter(map(self._code_of.__getitem__, values), np.float64, len(values))
        except KeyError:
            self._learn(values)
        return np.fromiter(map(self._code_of.__getitem__, values), np.float64, len(values))

    def _learn(self, values: Iterable[Any]) -> None:
        for value in dict.fromkeys(values):
            if value not in self._code_of:
                text = BOOLEAN_TEXTS[bool(value)] if self._are_booleans else cut(value)
                known = self._code_of_text
                self._code_of[value] = known.setdefault(text, float(len(known)))


def in_order_of_appearance(
    x: NDArray[np.float64], texts: Texts
) -> tuple[NDArray[np.float64], Texts]:
    """Number the texts anew as they first appear in the rows, without those of no row.

    Examples
    --------
    >>> x, texts = in_order_of_appearance(np.array([[2.0], [0.0]]), {0: ["a", "b", "c"]})
    >>> x.tolist(), texts
    ([[0.0], [1.0]], {0: ['c', 'a']})
    """
    if not texts or not len(x):
        return x, {slot: [] for slot in texts}
    most = max(map(len, texts.values()))
    few = most <= _FEW_TEXTS
    groups = [list(texts)] if few else [[slot] for slot in texts]
    x, ordered = x.copy(), dict[int, Sequence[str]]()
    for slots in groups:
        orders, x[:, slots] = _appearing(x[:, slots], max(len(texts[slot]) for slot in slots))
        for slot, order in zip(slots, orders, strict=True):
            own = texts[slot]
            ordered[slot] = [own[code] for code in order]
    return x, ordered


def joined(
    xs: Sequence[NDArray[np.float64]], all_texts: Sequence[Texts]
) -> tuple[NDArray[np.float64], Texts]:
    """Join rows whose codes stand for texts of their own.

    Examples
    --------
    >>> x, texts = joined([np.zeros((1, 1)), np.zeros((1, 1))], [{0: ["a"]}, {0: ["b"]}])
    >>> x.tolist(), texts
    ([[0.0], [1.0]], {0: ['a', 'b']})
    """
    x = np.concatenate(xs)
    edges = np.cumsum([0, *map(len, xs)]).tolist()
    merged: dict[int, Sequence[str]] = {}
    for slot in all_texts[0]:
        merged[slot] = all_texts[0][slot]
        if all(texts[slot] == merged[slot] for texts in all_texts):
            continue
        code_of: dict[str, float] = {}
        for (begin, end), texts in zip(pairwise(edges), all_texts, strict=True):
            codes = [code_of.setdefault(text, float(len(code_of))) for text in texts[slot]]
            x[begin:end, slot] = recoded(x[begin:end, slot], np.array([*codes, np.nan]))
        merged[slot] = list(code_of)
    return x, merged


def recoded(codes: NDArray[np.float64], code_of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put other codes in the place of codes; that of NaN is the last one of ``code_of``."""
    places = np.where(np.isnan(codes), len(code_of) - 1, codes).astype(np.intp)
    return np.asarray(code_of[places])


def _appearing(
    codes: NDArray[np.float64], n_texts: int
) -> tuple[list[list[int]], NDArray[np.float64]]:
    """Return for each column its codes in the order in which they first appear, and new codes.

    All columns at once: panes are small, and NumPy's calls take longer than what they do.
    """
    n, n_columns = codes.shape
    is_missing = np.isnan(codes)
    if n_columns == 1 and n_texts > n:
        # Few rows of a large dictionary, of which most is not theirs: what they have, by number.
        known, numbers = np.unique(codes[~is_missing], return_inverse=True)
        own = np.full((n, 1), np.nan)
        own[~is_missing] = numbers
        orders, fresh = _appearing(own, len(known))
        return [[int(known[number]) for number in orders[0]]], fresh
    places = np.where(is_missing, n_texts, codes).astype(np.intp)
    columns = np.arange(n_columns)
    first = np.full((n_columns, n_texts + 1), n, dtype=np.intp)
    # Of several rows with one code the last that is written stays: the first.
    first[columns, places[::-1]] = np.arange(n - 1, -1, -1)[:, None]
    first[:, n_texts] = n
    order = np.argsort(first, axis=1, kind="stable")
    n_there = np.count_nonzero(first < n, axis=1).tolist()
    code_of = np.empty((n_columns, n_texts + 1))
    np.put_along_axis(code_of, order, np.arange(n_texts + 1, dtype=np.float64)[None, :], axis=1)
    code_of[:, n_texts] = np.nan
    orders = [each[:k] for each, k in zip(order.tolist(), n_there, strict=True)]
    return orders, code_of[columns, places]
