"""Downstream utility: good synthetic images help, bad ones don't, and few real ones are said so."""

import numpy as np
import pytest

from analysis.metrics.utility import balanced_accuracy, compare_training, fit, kernel_of, utility

MEANS = np.random.default_rng(0).normal(size=(3, 20))


def images(seed, per_class, *, signal=1.0, classes=3):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    return signal * MEANS[labels] + 1.5 * rng.normal(size=(len(labels), 20)), labels


def classify(x, labels, test):
    kernel = kernel_of(np.concatenate([x, test]))
    coefficients, _ = fit(kernel[: len(x), : len(x)], labels)
    return (kernel[len(x) :, : len(x)] @ coefficients).argmax(axis=1)


def by_training(rows):
    return {(row.trained_on, row.fraction): row for row in rows}


def test_more_images_come_near_to_the_best_rule_there_is():
    test, labels = images(2, 500)
    best = ((test[:, None] - MEANS) ** 2).sum(axis=2).argmin(axis=1)  # knows the truth
    few, many = (balanced_accuracy(classify(*images(1, n), test), labels) for n in (3, 300))
    assert few < many <= balanced_accuracy(best, labels) + 0.01
    assert many > balanced_accuracy(best, labels) - 0.04


def test_leave_one_out_in_closed_form_is_leaving_each_image_out():
    x, y = images(1, 4)
    kernel, counts = kernel_of(x), np.bincount(y)
    weights = np.sqrt(len(y) / (3 * counts[y]))
    weighted = kernel * np.outer(weights, weights)
    targets = weights[:, None] * (2.0 * (y[:, None] == np.arange(3)) - 1)
    unit = np.trace(weighted) / len(y)
    errors = {}
    for penalty in np.logspace(-3, 3, 7):
        errors[penalty] = 0.0
        for i in range(len(y)):
            rest = np.arange(len(y)) != i
            dual = np.linalg.solve(
                weighted[np.ix_(rest, rest)] + penalty * unit * np.eye(len(y) - 1), targets[rest]
            )
            errors[penalty] += ((targets[i] - weighted[i, rest] @ dual) ** 2).sum()
    assert fit(kernel, y)[1] == min(errors, key=errors.get)


def test_neither_scale_nor_place_of_features_matters():
    x, y = images(1, 10)
    test, _ = images(2, 30)
    np.testing.assert_array_equal(classify(x, y, test), classify(1000 * x + 7, y, 1000 * test + 7))


def test_rare_classes_count_as_much_as_common_ones():
    x, y = images(1, 60, classes=2)
    kept = (y == 0) | (np.arange(len(y)) < 65)  # 60 against 5
    test, labels = images(2, 200, classes=2)
    shares = [(classify(x[kept], y[kept], test) == labels)[labels == c].mean() for c in (0, 1)]
    assert min(shares) > 0.6


def test_good_synthetic_images_help_most_where_real_ones_are_few():
    found = by_training(compare_training(images(1, 100), images(2, 100), images(3, 100), seeds=10))
    assert found["synthetic", 0].accuracy > 0.75
    few_real, few_both = found["real", 0.01], found["both", 0.01]
    assert few_both.accuracy > few_real.accuracy + 0.05
    assert found["real", 1.0].accuracy > few_real.accuracy
    assert found["real", 0.1].n_real == 30
    assert few_real.low < few_real.accuracy < few_real.high


def test_synthetic_images_without_signal_teach_nothing():
    found = by_training(
        compare_training(images(1, 60, signal=0), images(2, 60), images(3, 100), seeds=10)
    )
    assert found["synthetic", 0].accuracy == pytest.approx(1 / 3, abs=0.1)


def test_one_per_cent_of_a_small_class_is_said_not_to_be():
    found = by_training(compare_training(images(1, 10), images(2, 20), images(3, 20), seeds=3))
    assert found["real", 0.01].accuracy is None
    assert found["real", 0.01].reason == (
        "1% of 20 images of the rarest class is less than one image"
    )
    assert found["real", 1.0].accuracy is not None


def test_labels_below_zero_and_classes_that_one_part_lacks_are_left_out():
    (x, lx), (t, lt), (r, lr) = images(1, 30), images(2, 30), images(3, 30)
    whole = utility(x, lx, t, np.where(lt == 2, -1, lt), r, lr)
    fewer = utility(x[lx < 2], lx[lx < 2], t[lt < 2], lt[lt < 2], r[lr < 2], lr[lr < 2])
    assert whole == fewer
    with pytest.raises(ValueError, match="at least 2 classes"):
        utility(x, lx, t, np.full_like(lt, -1), r, lr)


def test_without_training_images_it_is_not_estimable():
    x, y = images(1, 5)
    with pytest.raises(ValueError, match="needs the training images"):
        utility(x, y, np.empty((0, 20)), np.empty(0, int), x, y)


def test_the_same_images_give_the_same_numbers():
    parts = images(1, 20), images(2, 20), images(3, 20)
    assert compare_training(*parts, seeds=4) == compare_training(*parts, seeds=4)
