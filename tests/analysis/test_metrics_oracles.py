"""The metrics against torch-fidelity and torchmetrics, and against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrics import METRICS
from analysis.metrics.clip_score import clip_score
from analysis.metrics.frechet import frechet_distance
from analysis.metrics.kid import kid
from analysis.metrics.mmd import gaussian_mmd
from analysis.metrics.ms_ssim import WEIGHTS, ms_ssim
from analysis.metrics.neighbours import compare_manifolds
from generation.phantom import corpus

seeds = st.integers(0, 2**32 - 1)


def features(seed, n, d=16, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (n, d))


def torch_of(x):
    import torch

    return torch.from_numpy(x)


@pytest.fixture(scope="module")
def photos():
    """Six drawings of 272 × 256 pixels."""
    images = [record.image.resize((272, 256)) for record in corpus(6, seed=3, size=256)]
    return [np.asarray(image.convert("RGB")) for image in images]


class TestFrechetDistance:
    def test_torch_fidelity_finds_the_same(self):
        from torch_fidelity.metric_fid import fid_statistics_to_metric

        x, y = features(1, 300, 32), 1.3 * features(2, 200, 32, shift=0.2)
        stats = [{"mu": z.mean(axis=0), "sigma": np.cov(z, rowvar=False)} for z in (x, y)]
        theirs = fid_statistics_to_metric(*stats, verbose=False)["frechet_inception_distance"]
        assert frechet_distance(x, y) == pytest.approx(theirs, rel=1e-8)


class TestKid:
    def test_torch_fidelity_finds_the_same_on_one_subset_of_all(self):
        from torch_fidelity.metric_kid import kid_features_to_metric

        x, y = features(1, 60, 32), features(2, 60, 32, shift=0.3)
        theirs = kid_features_to_metric(
            *(torch_of(z) for z in (x, y)), kid_subsets=1, kid_subset_size=60, verbose=False
        )["kernel_inception_distance_mean"]
        assert kid(x, y) == pytest.approx(theirs, rel=1e-6)

    def test_random_small_subsets_scatter_about_it(self):
        x, y = features(1, 80), features(2, 50, shift=0.3)
        rng = np.random.default_rng(0)
        drawn = [kid(x[rng.permutation(80)[:10]], y[rng.permutation(50)[:10]]) for _ in range(1500)]
        assert abs(np.mean(drawn) - kid(x, y)) < 4 * np.std(drawn) / np.sqrt(len(drawn))

    def test_blocks_change_it_little_and_cover_everything(self):
        x, y = features(1, 1000, shift=0.2), features(2, 400)
        assert kid(x, y, block=200) == pytest.approx(kid(x, y), rel=0.2)
        assert kid(x[:2], y, block=200) == pytest.approx(kid(x[:2], y))  # 2 images: one block


class TestMmd:
    def test_it_is_the_u_statistic_of_its_definition(self):
        x, y = features(1, 5), features(2, 4, shift=0.5)
        between_real = [np.sum((y[i] - y[j]) ** 2) for i in range(4) for j in range(i)]
        scale = np.median(between_real)

        def k(a, b):
            return np.exp(-np.sum((a - b) ** 2) / (2 * scale))

        value = np.mean([k(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
        value += np.mean([k(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
        value -= 2 * np.mean([k(a, b) for a in x for b in y])
        assert gaussian_mmd(x, y) == pytest.approx(1000 * value)

    def test_it_is_unbiased_at_any_number_of_images(self):
        drawn = [gaussian_mmd(features(s, 4, 8), features(s + 10**6, 6, 8)) for s in range(1500)]
        assert abs(np.mean(drawn)) < 4 * np.std(drawn) / np.sqrt(len(drawn))
        assert min(drawn) < 0

    def test_real_images_that_are_all_alike_give_no_scale(self):
        with pytest.raises(ValueError, match="give no scale"):
            gaussian_mmd(features(1, 5), np.ones((4, 16)))


class TestNeighbours:
    def test_torch_fidelity_finds_the_same_precision_and_recall(self):
        from torch_fidelity.metric_prc import calculate_precision_recall_part

        x, y = features(1, 90, 8), 1.2 * features(2, 70, 8, shift=0.4)
        theirs = calculate_precision_recall_part(torch_of(x), torch_of(y), neighborhood=5)
        found = compare_manifolds(x, y)
        assert (found.precision, found.recall) == pytest.approx(theirs, abs=1e-6)

    def test_it_is_the_definition_image_by_image(self):
        x, y, k = features(1, 12, 3), features(2, 9, 3, shift=0.5), 3

        def radii(z):
            distances = np.linalg.norm(z[:, None] - z[None], axis=2)
            return np.sort(distances, axis=1)[:, k]

        between = np.linalg.norm(x[:, None] - y[None], axis=2)
        inside = between <= radii(y)
        found = compare_manifolds(x, y, k=k)
        assert found.precision == pytest.approx(inside.any(axis=1).mean())
        assert found.density == pytest.approx(inside.sum() / k / len(x))
        assert found.coverage == pytest.approx(inside.any(axis=0).mean())
        assert found.recall == pytest.approx((between <= radii(x)[:, None]).any(axis=0).mean())

    def test_a_collapsed_generator_is_precise_and_covers_little(self):
        real = features(1, 200, 8)
        collapsed = real[0] + 0.01 * features(2, 200, 8)
        found = compare_manifolds(collapsed, real)
        assert found.precision == 1
        assert found.recall < 0.05
        assert found.coverage < 0.2

    def test_five_images_are_too_few_for_five_neighbours(self):
        with pytest.raises(ValueError, match="at least 6 images, not 5"):
            compare_manifolds(features(1, 5), features(2, 20))


class TestMsSsim:
    def test_torchmetrics_finds_the_same_at_each_scale(self, photos):
        """Theirs takes the coarsest scale with its padding, which Wang et al. leave out."""
        import torch
        from torch.nn.functional import avg_pool2d
        from torchmetrics.functional.image import structural_similarity_index_measure as theirs

        greys = [p.astype(np.float32) @ np.float32([0.299, 0.587, 0.114]) / 255 for p in photos[:3]]
        wanted = []
        for i, j in ((0, 1), (0, 2), (1, 2)):
            a, b = (torch.from_numpy(greys[k])[None, None] for k in (i, j))
            value = 1.0
            for scale, weight in enumerate(WEIGHTS):
                part = theirs(a, b, data_range=1.0, return_contrast_sensitivity=True)[1]
                if scale == 4:
                    whole = theirs(a, b, data_range=1.0, return_full_image=True)[1]
                    part = whole[..., 5:-5, 5:-5].mean()
                value *= max(0.0, float(part)) ** weight
                a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
            wanted.append(value)
        assert ms_ssim(photos[:3]) == pytest.approx(np.mean(wanted), abs=1e-4)

    def test_equal_images_are_alike_and_noise_is_not(self, photos):
        noise = np.random.default_rng(0).integers(0, 256, photos[0].shape, dtype=np.uint8)
        assert ms_ssim([photos[0], photos[0]]) == pytest.approx(1, abs=1e-4)
        assert ms_ssim([photos[0], noise]) < 0.2

    def test_images_of_160_pixels_are_too_small_and_of_161_are_not(self):
        rng = np.random.default_rng(0)
        small, enough = (
            rng.integers(0, 256, (2, side, 200, 3), dtype=np.uint8) for side in (160, 161)
        )
        with pytest.raises(ValueError, match="at least 161 pixels a side, not 200×160"):
            ms_ssim(small)
        assert 0 <= ms_ssim(enough) <= 1

    def test_larger_images_are_reduced_and_sizes_must_agree(self, photos):
        from PIL import Image

        large = [np.asarray(Image.fromarray(p).resize((1088, 1024))) for p in photos[:2]]
        assert ms_ssim(large) == pytest.approx(ms_ssim(photos[:2]), abs=0.02)
        with pytest.raises(ValueError, match="one size"):
            ms_ssim([photos[0], photos[1][:170]])


class TestClipScore:
    def test_it_is_the_cosine_with_the_prompt(self):
        images, text = features(1, 4, 6), features(2, 1, 6)
        wanted = [100 * i @ text[0] / np.linalg.norm(i) / np.linalg.norm(text[0]) for i in images]
        np.testing.assert_allclose(clip_score(images, 3 * text), wanted)


@settings(deadline=None, max_examples=15)
@given(seeds)
@pytest.mark.parametrize("key", [k for k, m in METRICS.items() if m.takes == ("features", "real")])
def test_order_of_images_and_rotation_of_features_change_no_metric(key, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(9, 5)), rng.normal(0.5, 1.2, (8, 5))
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    function = METRICS[key].function
    value = function(x, y)
    assert METRICS[key].low <= value <= METRICS[key].high
    assert function(rng.permutation(x) @ rotation, rng.permutation(y) @ rotation) == pytest.approx(
        value, rel=1e-6, abs=1e-6
    )
