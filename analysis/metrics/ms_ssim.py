"""MS-SSIM (Wang et al. 2003) within a set, as MediSyn measures diversity: lower is more diverse."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from PIL import Image

from analysis.metrics.registry import metric

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from fine to coarse
WINDOW, SIGMA = 11, 1.5
LEAST_SIDE = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1  # the window must fit the coarsest scale
MOST_SIDE = 256  # of the shorter side; larger images are reduced
_C1, _C2 = 0.01**2, 0.03**2
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@metric(
    name="MS-SSIM",
    scope="set",
    takes=("pixels",),
    better="lower",
    low=0,
    high=1,
    least=2,
    formula="mean multi-scale structural similarity between the images of a set, grey, at most "
    f"{MOST_SIDE} pixels on the shorter side; lower is more diverse",
    bias=f"not by the number of images; noise lowers it; images need {LEAST_SIDE} pixels a side",
    source="Wang et al. 2003, doi 10.1109/ACSSC.2003.1292216; used in MediSyn",
)
def ms_ssim(pixels: Sequence[np.ndarray]) -> float:
    """Mean `similarity` over the pairs of a set.

    Args:
        pixels: Images of shape (height, width, 3), uint8, all of one size.

    Raises:
        ValueError: fewer than 2 images, sizes that differ or are too small.
    """
    if len(pixels) < 2:
        raise ValueError(f"This metric needs at least 2 images, not {len(pixels)}.")
    scales = [_Scales(grey(image)) for image in pixels]
    if len({s.levels[0].shape for s in scales}) > 1:
        raise ValueError("MS-SSIM needs images of one size within a set.")
    return float(np.mean([similarity(a, b) for a, b in combinations(scales, 2)]))


def grey(image: np.ndarray) -> np.ndarray:
    """Luma from 0 to 1, reduced to `MOST_SIDE`: float32 of shape (height, width).

    Raises:
        ValueError: a side is below `LEAST_SIDE`.
    """
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"MS-SSIM compares five scales with a window of {WINDOW} pixels, so images need at "
            f"least {LEAST_SIDE} pixels a side, not {width}×{height}."
        )
    values = image.astype(np.float32) @ _GREY / 255
    if (shorter := min(height, width)) > MOST_SIDE:
        size = round(width * MOST_SIDE / shorter), round(height * MOST_SIDE / shorter)
        values = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX))
    return values


class _Scales:
    """An image at each scale with its local means and variances: the part no pair need repeat."""

    def __init__(self, image: np.ndarray) -> None:
        self.levels = [image]
        for _ in WEIGHTS[1:]:
            self.levels.append(_halved(self.levels[-1]))
        self.means = [_blurred(level) for level in self.levels]
        self.variances = [
            _blurred(level * level) - mean * mean
            for level, mean in zip(self.levels, self.means, strict=True)
        ]


def similarity(a: "_Scales", b: "_Scales") -> float:
    """MS-SSIM of two images, 0 (negative similarities count as 0) to 1."""
    found = 1.0
    for scale, weight in enumerate(WEIGHTS):
        means = a.means[scale] * b.means[scale]
        covariance = _blurred(a.levels[scale] * b.levels[scale]) - means
        structure = (2 * covariance + _C2) / (a.variances[scale] + b.variances[scale] + _C2)
        if scale == len(WEIGHTS) - 1:
            squares = a.means[scale] ** 2 + b.means[scale] ** 2
            structure = structure * (2 * means + _C1) / (squares + _C1)
        found *= max(0.0, float(structure.mean())) ** weight
    return found


def _blurred(image: np.ndarray) -> np.ndarray:
    """Gaussian means where the window lies within the image, as two products of matrices."""
    rows, columns = (_window(side) for side in image.shape)
    return rows @ image @ columns.T


def _window(side: int) -> np.ndarray:
    if side not in _WINDOWS:
        steps = np.arange(WINDOW) - WINDOW // 2
        weights = np.exp(-(steps**2) / (2 * SIGMA**2))
        matrix = np.zeros((side - WINDOW + 1, side), dtype=np.float32)
        for row in range(len(matrix)):
            matrix[row, row : row + WINDOW] = weights / weights.sum()
        _WINDOWS[side] = matrix
    return _WINDOWS[side]


_WINDOWS: dict[int, np.ndarray] = {}


def _halved(image: np.ndarray) -> np.ndarray:
    """Means of 2×2 pixels; the last row or column of an odd number counts twice."""
    if any(side % 2 for side in image.shape):
        image = np.pad(image, [(0, side % 2) for side in image.shape], mode="edge")
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
