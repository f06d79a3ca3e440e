"""Texts of categories as codes of the reference's dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.two_sample.chi_square.categories import most_of_rare
from flink_jobs.config.columns import BOOLEAN_TEXTS
from flink_jobs.config.views import View

# Named in alerts, and told apart nowhere else.
_MOST_RARE = 1_000


class Encoder:
    """The categories of a reference: which texts are told apart, and their codes.

    The codes ``0`` to ``m - 1`` are the texts that are told apart, in the order of their texts, and
    ``m`` is every other text: the rare ones of the reference, and those that it never held.

    Parameters
    ----------
    texts : mapping of int to sequence of str
        By place of a category among the view's floats.
    rare : mapping of int to mapping of str to float
        The shares in the reference of the most frequent of the texts that are not told apart; at
        most 1,000 of a column.

    Examples
    --------
    >>> x, texts = np.array([[0.0, 7.0], [1.0, np.nan]]), {0: ["free", "family"]}
    >>> Encoder({0: ["family"]}).encode(x, texts)
    array([[ 1.,  7.],
           [ 0., nan]])
    """

    def __init__(
        self,
        texts: Mapping[int, Sequence[str]],
        rare: Mapping[int, Mapping[str, float]] | None = None,
    ) -> None:
        self.texts = {place: tuple(known) for place, known in texts.items()}
        self.rare = dict(rare or {})
        self._codes = {
            place: {text: code for code, text in enumerate(known)}
            for place, known in self.texts.items()
        }

    @classmethod
    def fit(
        cls, view: View, x_ref: NDArray[np.float64], texts: Mapping[int, Sequence[str]]
    ) -> Encoder:
        """Choose the categories that are told apart, by the rule of the tests on counts.

        A rule of its own misled them: of the 200 most frequent of 300 equal categories each was
        frequent by luck, and every window without a shift was called drift.

        Parameters
        ----------
        view : View
        x_ref : ndarray of float64, shape (n_ref, n_slots)
            Raw rows; a category holds the code of its text in ``texts``.
        texts : mapping of int to sequence of str
        """
        known: dict[int, Sequence[str]] = {}
        rare: dict[int, dict[str, float]] = {}
        for place in view.categorical:
            if view.slots[place].column.type == "boolean":
                known[place] = BOOLEAN_TEXTS
                continue
            counted = _by_count(x_ref[:, place], texts.get(place, ()))
            most_of_rare_ones = most_of_rare(np.array([count for count, _ in counted], np.int64))
            n_known = sum(count > most_of_rare_ones for count, _ in counted)
            known[place] = sorted(text for _, text in counted[:n_known])
            others = counted[n_known : n_known + _MOST_RARE]
            rare[place] = {text: count / len(x_ref) for count, text in others}
        return cls(known, rare)

    def names_all(self, place: int) -> bool:
        """Tell whether every text that the reference held of a column is known by its name."""
        return len(self.rare.get(place, ())) < _MOST_RARE

    def other_shares(
        self, x: NDArray[np.float64], texts: Mapping[int, Sequence[str]]
    ) -> dict[int, dict[str, float]]:
        """Return by place the shares, in raw rows, of texts that are not told apart."""
        shares: dict[int, dict[str, float]] = {}
        for place, codes in self._codes.items():
            counted = _by_count(x[:, place], texts.get(place, ()))
            shares[place] = {t: count / len(x) for count, t in counted if t not in codes}
        return shares

    def encode(
        self, x: NDArray[np.float64], texts: Mapping[int, Sequence[str]]
    ) -> NDArray[np.float64]:
        """Return rows with codes of this dictionary, shape (n, n_slots)."""
        if not self._codes:
            return x
        encoded = x.copy()
        for place, codes in self._codes.items():
            other = len(codes)
            table = np.array([codes.get(t, other) for t in texts.get(place, ())], dtype=np.float64)
            is_there = ~np.isnan(x[:, place])
            encoded[is_there, place] = table[x[is_there, place].astype(np.intp)]
        return encoded

    def to_array(self) -> NDArray[np.uint8]:
        """Return the dictionary as an array of bytes."""
        data = msgspec.json.encode((sorted(self.texts.items()), sorted(self.rare.items())))
        return np.frombuffer(data, dtype=np.uint8)

    @classmethod
    def from_array(cls, array: NDArray[np.uint8]) -> Encoder:
        """Restore what :meth:`to_array` packed."""
        texts, rare = _decoder.decode(array.tobytes())
        return cls(dict(texts), dict(rare))


_Texts = list[tuple[int, list[str]]]
_Rare = list[tuple[int, dict[str, float]]]
_decoder = msgspec.json.Decoder(tuple[_Texts, _Rare])


def _by_count(codes: NDArray[np.float64], texts: Sequence[str]) -> list[tuple[int, str]]:
    """The texts that occur, with their counts: the most frequent first, then by name."""
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.intp), minlength=len(texts)).tolist()
    found = [(count, text) for text, count in zip(texts, counts, strict=True) if count]
    return sorted(found, key=lambda each: (-each[0], each[1]))
