"""One run on one dataset: data and reducers are made once, then every scenario is tested."""

from __future__ import annotations

import time

import numpy as np

from detectors.base import FloatArray
from scripts.replicate.data import generator, load, split
from scripts.replicate.label_classifier import LabelClassifier
from scripts.replicate.methods import METHODS, Reducers
from scripts.replicate.results import Configuration, Key, Record, cell
from scripts.replicate.scenarios import CONTROL, Scenario, shifted

Pair = tuple[FloatArray, FloatArray]


class Unit:
    """One seeded run on one dataset.

    Parameters
    ----------
    configuration : Configuration
    dataset : str
    run : int
    """

    def __init__(self, configuration: Configuration, dataset: str, run: int) -> None:
        self._configuration = configuration
        self._name = (dataset, run)
        images = load(dataset)
        rng = generator(*self._name, "split")
        if configuration.n_images is not None:
            images = images.take(rng.permutation(len(images))[: configuration.n_images])
        self._splits = split(images, rng)
        self._classifier = LabelClassifier(run, configuration.epochs).fit(self._splits.train)
        keys = {METHODS[method].key for method in configuration.methods}
        self._reducers = Reducers(self._splits.train, self._classifier, run, keys)
        self._validation = self._reducers.reduce(self._splits.validation.x)
        self._test = self._reducers.reduce(self._splits.test.x)

    @property
    def accuracy(self) -> float:
        """The label classifier's, on the validation split."""
        return self._classifier.accuracy(self._splits.validation)

    def decide(self, scenario: Scenario, finished: frozenset[Key]) -> list[Record]:
        """Every decision about ``scenario`` that is not ``finished``."""
        rng = generator(*self._name, scenario.shift, scenario.share, scenario.repeat, "rows")
        pairs = self._pairs(scenario, rng)
        return [
            self._decision(scenario, method, sample_size, pairs[METHODS[method].key])
            for method in self._configuration.methods
            for sample_size in self._configuration.sample_sizes
            if sample_size <= min(len(rows) for rows in pairs["none"])
            and cell(*self._name, scenario, method, sample_size) not in finished
        ]

    def _pairs(self, scenario: Scenario, rng: np.random.Generator) -> dict[str, Pair]:
        """Reference and test rows of every reduction, in random order."""
        if scenario.shift == CONTROL:
            return self._control_pairs(rng)
        x = shifted(scenario, self._splits.test, self._classifier, rng)
        reduced = self._reducers.reduce(x)
        ref_order, test_order = (
            rng.permutation(len(self._splits.validation)),
            rng.permutation(len(x)),
        )
        return {
            key: (self._validation[key][ref_order], rows[test_order])
            for key, rows in reduced.items()
        }

    def _control_pairs(self, rng: np.random.Generator) -> dict[str, Pair]:
        """Unshifted rows of both splits shuffled together: a new draw for every repeat."""
        n_ref = len(self._splits.validation)
        order = rng.permutation(n_ref + len(self._splits.test))
        pooled = {
            key: np.concatenate([rows, self._test[key]]) for key, rows in self._validation.items()
        }
        return {key: (rows[order[:n_ref]], rows[order[n_ref:]]) for key, rows in pooled.items()}

    def _decision(self, scenario: Scenario, method: str, sample_size: int, pair: Pair) -> Record:
        where = cell(*self._name, scenario, method, sample_size)
        started = time.perf_counter()
        x_ref, x_test = (rows[:sample_size] for rows in pair)
        test = METHODS[method].make_test().fit(x_ref)
        p_value = test.test(x_test, rng=generator(*where)).p_value
        return Record(
            *where,
            p_value=p_value,
            detected=p_value <= self._configuration.level,
            seconds=time.perf_counter() - started,
        )
