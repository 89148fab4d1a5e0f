"""The metrics against plain definitions, scipy's matrix square root, and their own properties."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import pdist

from analysis.metrics.agreement import agreement
from analysis.metrics.diversity import diversity
from analysis.metrics.energy import energy_distance
from analysis.metrics.fidelity import fidelity, study_fidelity
from analysis.metrics.floors import same_n_values
from analysis.metrics.frechet import Moments, frechet_distance, frechet_of_moments

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 12)


def features(seed, n, d=16, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (n, d))


def by_definition(x, y):
    cx, cy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    mean = x.mean(axis=0) - y.mean(axis=0)
    return mean @ mean + np.trace(cx + cy) - 2 * np.trace(sqrtm(cx @ cy)).real


class TestFrechetDistance:
    @pytest.mark.parametrize(("n", "m"), [(200, 150), (300, 40), (60, 60)])
    def test_it_equals_the_definition_at_full_rank(self, n, m):
        x, y = features(1, n, 8), features(2, m, 8, shift=0.5) * 1.5
        assert frechet_distance(x, y) == pytest.approx(by_definition(x, y), rel=1e-9)

    def test_it_equals_the_definition_with_fewer_images_than_dimensions(self):
        x, y = features(1, 10, 64), features(2, 10, 64, shift=1)
        # sqrtm of a singular product is itself good to about 1e-6 only.
        assert frechet_distance(x, y) == pytest.approx(by_definition(x, y), rel=1e-4)

    def test_both_ways_of_computing_it_agree(self):
        x, y = features(1, 9, 8), features(2, 9, 8)
        rotated = np.linalg.qr(features(3, 64, 64))[0][:8]  # isometry into more dimensions
        assert frechet_distance(x, y) == pytest.approx(frechet_distance(x @ rotated, y @ rotated))

    def test_moments_of_blocks_give_the_same_whatever_their_size(self):
        x, y = features(1, 500, 24, shift=50), features(2, 300, 24, shift=51)
        for size in (7, 64, 1000):
            moments = [
                Moments.of(z[start : start + size] for start in range(0, len(z), size))
                for z in (x, y)
            ]
            np.testing.assert_allclose(moments[0].covariance, np.cov(x, rowvar=False), atol=1e-10)
            assert frechet_of_moments(*moments) == pytest.approx(by_definition(x, y), rel=1e-9)

    def test_moments_of_a_collinear_set_are_no_error(self):
        x = features(1, 50, 4)
        flat = np.hstack([x, x])
        moved = flat + 1
        assert frechet_distance(flat, moved) == pytest.approx(8)

    def test_constant_features_are_no_error(self):
        x = np.zeros((20, 4))
        assert frechet_distance(x, x + 2) == pytest.approx(16)

    @settings(deadline=None, max_examples=50)
    @given(seeds, sizes, sizes)
    def test_it_is_symmetric_and_zero_only_against_itself(self, seed, n, m):
        x, y = features(seed, n), features(seed + 1, m, shift=1)
        assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
        assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))
        assert frechet_distance(x, y) > 0

    def test_one_image_is_refused(self):
        with pytest.raises(ValueError, match="at least 2 images, not 1"):
            frechet_distance(features(1, 1), features(2, 5))

    def test_values_that_are_not_finite_are_refused(self):
        x = features(1, 4)
        x[0, 0] = np.nan
        with pytest.raises(ValueError, match="not finite"):
            frechet_distance(x, x)

    def test_few_images_bias_it_upwards_and_the_floor_shows_by_how_much(self):
        pool = features(1, 400, 32)
        few = same_n_values(frechet_distance, pool, None, n=10, m=10, seed=0).mean()
        many = same_n_values(frechet_distance, pool, None, n=200, m=200, seed=0, draws=10).mean()
        assert few > 5 * many > 0


class TestFidelity:
    def test_it_is_a_mean_of_inverses_over_pairs(self):
        assert study_fidelity([[1, 3], [9, 9]]) == pytest.approx((1000 / 3 + 1000 / 10) / 2)

    def test_identical_sets_reach_1000(self):
        assert fidelity(0) == 1000


class TestAgreement:
    @settings(deadline=None, max_examples=50)
    @given(seeds, sizes, sizes)
    def test_it_is_the_mean_cosine_over_all_cross_pairs(self, seed, n, m):
        a, b = features(seed, n), features(seed + 1, m, shift=0.5)
        cosines = [p @ q / np.linalg.norm(p) / np.linalg.norm(q) for p, q in product(a, b)]
        assert agreement(a, b) == pytest.approx(np.mean(cosines))

    def test_length_of_features_does_not_matter(self):
        a, b = features(1, 5), features(2, 5)
        assert agreement(a, 7 * b) == pytest.approx(agreement(a, b))


class TestDiversity:
    def test_it_is_the_mean_euclidean_distance_of_unit_features(self):
        x = features(1, 6)
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        assert diversity(x) == pytest.approx(
            np.mean([np.linalg.norm(unit[i] - unit[j]) for i in range(6) for j in range(i)])
        )

    def test_a_collapsed_set_has_none(self):
        assert diversity(np.ones((5, 3))) == 0


class TestEnergyDistance:
    def test_it_is_unbiased_at_any_number_of_images(self):
        drawn = [energy_distance(features(s, 4, 8), features(s + 10**6, 6, 8)) for s in range(2000)]
        error = np.std(drawn) / np.sqrt(len(drawn))
        assert abs(np.mean(drawn)) < 4 * error
        assert min(drawn) < 0

    def test_it_grows_as_the_sets_part(self):
        x = features(1, 10)
        apart = [energy_distance(x, features(2, 10, shift=s)) for s in (0, 1, 2)]
        assert apart == sorted(apart)

    def test_it_equals_its_definition_in_one_dimension(self):
        x, y = np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])
        assert energy_distance(x, y) == pytest.approx(2 * (1 + 5 + 1 + 3) / 4 - 2 - 4)
        assert pdist(x)[0] == 2
