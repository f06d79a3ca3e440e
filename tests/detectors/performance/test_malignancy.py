from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from detectors.errors import InvalidParameterError, InvalidSampleError, ShapeError
from detectors.performance.malignancy import Verdict, malignancy, strangest_rows
from detectors.two_sample.classifier.domain_classifier import DomainClassifier, HeldOut

VALIDATION = {"n_correct_ref": 950, "n_labels_ref": 1000}


def held_out_of(p_test, rows_test=None):
    p_test = np.asarray(p_test, dtype=np.float64)
    rows = np.arange(len(p_test))
    return HeldOut(rows, rows if rows_test is None else np.asarray(rows_test), p_test, p_test)


def judge(n_correct, n, **parameters):
    """Judge n strange rows of the test sample, n_correct of them predicted right."""
    predictions = np.arange(n) < n_correct
    return malignancy(
        held_out_of(np.full(n, 0.9)), np.ones(n), predictions, **VALIDATION | parameters
    )


@pytest.mark.parametrize(("n_correct", "n"), [(0, 12), (15, 20), (40, 40), (180, 200)])
def test_interval_and_p_value_equal_those_of_scipy(n_correct, n):
    result = judge(n_correct, n)

    # fisher_exact([[n_correct, n - n_correct], [950, 50]], alternative="less").pvalue
    expected = fisher_exact([[n_correct, n - n_correct], [950, 50]], alternative="less").pvalue
    assert result.p_value == pytest.approx(expected, rel=1e-9)
    # binomtest(n_correct, n).proportion_ci(0.95, method="exact")
    low, high = binomtest(n_correct, n).proportion_ci(0.95, method="exact")
    assert (result.accuracy_low, result.accuracy_high) == (low, high)
    assert result.accuracy == n_correct / n
    assert result.accuracy_ref == 0.95


def test_a_clear_drop_is_harmful_and_an_equal_accuracy_is_not():
    assert judge(10, 20).verdict is Verdict.HARMFUL
    assert judge(19, 20).verdict is Verdict.NOT_SHOWN_HARMFUL
    assert judge(20, 20).verdict is Verdict.NOT_SHOWN_HARMFUL


def test_the_level_decides():
    assert 0.01 < judge(17, 20).p_value <= 0.1
    assert judge(17, 20, level=0.1).verdict is Verdict.HARMFUL
    assert judge(17, 20, level=0.01).verdict is Verdict.NOT_SHOWN_HARMFUL


def test_nine_labels_are_too_few_and_ten_are_enough():
    assert judge(0, 9).verdict is Verdict.TOO_FEW_LABELS
    assert judge(0, 10).verdict is Verdict.HARMFUL


def test_labels_that_could_not_have_shown_any_harm_are_too_few():
    result = judge(0, 10, n_correct_ref=1, n_labels_ref=10)

    assert result.verdict is Verdict.TOO_FEW_LABELS


def test_without_any_label_nothing_is_known_but_the_rows_to_label():
    result = malignancy(held_out_of([0.5, 0.9, 0.95]), np.full(3, np.nan), np.ones(3), **VALIDATION)

    assert result.verdict is Verdict.TOO_FEW_LABELS
    assert result.accuracy is None
    assert (result.accuracy_low, result.accuracy_high, result.p_value) == (0.0, 1.0, 1.0)
    assert result.rows.tolist() == [2, 1]
    assert result.n_labelled == 0


def test_only_strange_rows_of_the_test_sample_with_a_label_count():
    p_test = np.repeat([0.9, 0.8, 0.95], 10)
    labels = np.repeat([1.0, 1.0, np.nan], 10)

    # the rows at exactly the threshold are all wrong, those without label too
    result = malignancy(held_out_of(p_test), labels, np.repeat([1, 0, 0], 10), **VALIDATION)

    assert (result.n_labelled, result.accuracy, len(result.rows)) == (10, 1.0, 20)


def test_rows_come_strangest_first_and_equal_ones_in_order():
    held_out = held_out_of([0.9, 0.99, 0.9, 0.1], rows_test=[7, 3, 5, 0])

    assert strangest_rows(held_out).tolist() == [3, 5, 7]
    assert strangest_rows(held_out, threshold=0.95).tolist() == [3]


def test_a_shift_into_a_region_that_the_model_gets_wrong_is_harmful(rng):
    x_ref, x_test = rng.normal(size=(400, 2)), rng.normal(size=(400, 2))
    x_test[:200, 0] += 5.0
    labels = (x_test[:, 1] > 0.0).astype(float)
    good = labels.copy()
    bad = np.where(x_test[:, 0] > 3.0, 1.0 - labels, labels)

    held_out = DomainClassifier().held_out(x_ref, x_test, rng)

    assert malignancy(held_out, labels, bad, **VALIDATION).verdict is Verdict.HARMFUL
    assert malignancy(held_out, labels, good, **VALIDATION).verdict is Verdict.NOT_SHOWN_HARMFUL


def test_wrong_uses_have_named_errors():
    held_out, ones = held_out_of(np.full(12, 0.9)), np.ones(12)

    for labels, predictions, error in [
        (ones[:11], ones, ShapeError),
        (ones[:11], ones[:11], ShapeError),
        (ones[:, np.newaxis], ones, ShapeError),
        (np.full(12, "cat"), ones, InvalidSampleError),
        (ones, np.full(12, np.nan), InvalidSampleError),
    ]:
        with pytest.raises(error):
            malignancy(held_out, labels, predictions, **VALIDATION)
    for wrong in (
        {"n_labels_ref": 0, "n_correct_ref": 0},
        {"n_correct_ref": 1001},
        {"n_correct_ref": -1},
        {"threshold": 1.0},
        {"threshold": np.nan},
        {"level": 0.0},
    ):
        with pytest.raises(InvalidParameterError):
            malignancy(held_out, ones, ones, **VALIDATION | wrong)


@pytest.mark.statistics
def test_a_model_that_is_as_good_as_before_is_rarely_called_harmful(rng):
    # Of 1,000 runs a few hundred have counts of their own, which are all that a verdict is about.
    n_runs, n_harmful, verdicts = 1000, 0, {}
    for _ in range(n_runs):
        counts = int((rng.random(50) < 0.9).sum()), int(rng.binomial(500, 0.9))
        if counts not in verdicts:
            of_ref = {"n_correct_ref": counts[1], "n_labels_ref": 500}
            verdicts[counts] = judge(counts[0], 50, **of_ref).verdict
        n_harmful += verdicts[counts] is Verdict.HARMFUL

    assert binomtest(n_harmful, n_runs).proportion_ci(0.999).low <= 0.05
