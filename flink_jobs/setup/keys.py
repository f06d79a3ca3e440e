"""The keys of a topic, which name models or requests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flink_jobs.records.wording import count
from flink_jobs.setup.sample import Sample

_NEARLY_NEW = 0.5
_MANY = 50


@dataclass(frozen=True)
class Keys:
    """Facts about the keys of records.

    Attributes
    ----------
    counts : Counter of str
    n_records, n_without : int
    """

    counts: Counter[str]
    n_records: int
    n_without: int

    @property
    def are_missing(self) -> bool:
        """True if records have no key, or many of them have none."""
        return self.n_without > 0.05 * max(1, self.n_records)

    @property
    def are_new(self) -> bool:
        """True if nearly each record has a key of its own, as where requests are the keys."""
        n = self.n_records - self.n_without
        return len(self.counts) > _MANY and len(self.counts) > _NEARLY_NEW * n

    @property
    def name_models(self) -> bool:
        """True if the keys can be the names of models."""
        return not self.are_missing and not self.are_new

    def text(self) -> str:
        """Say what they are.

        Examples
        --------
        >>> Keys(Counter({"a": 3}), 3, 0).text()
        '1 key in 3 records'
        """
        if self.are_missing:
            return f"{self.n_without:,} of {count(self.n_records, 'record')} have no key"
        return f"{count(len(self.counts), 'key')} in {count(self.n_records, 'record')}"


def keys_of(sample: Sample) -> Keys:
    """Count the keys of the records of a topic."""
    keys = [record.key for record in sample.records]
    known = Counter(key for key in keys if key)
    return Keys(known, len(keys), sum(not key for key in keys))
