"""Fréchet distance of 10 against 10 images at d = 768, against SciPy's matrix square root.

.venv/bin/python -m benchmarks.analysis
"""

import timeit

import numpy as np
from scipy.linalg import sqrtm

from analysis.metrics.frechet import frechet_distance


def by_matrix_root(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, as most implementations compute it."""
    cx, cy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    mean = x.mean(axis=0) - y.mean(axis=0)
    return float(mean @ mean + np.trace(cx + cy) - 2 * np.trace(sqrtm(cx @ cy)).real)


def main() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 10, 768))
    ours = min(timeit.repeat(lambda: frechet_distance(x, y), number=100, repeat=5)) / 100
    theirs = timeit.timeit(lambda: by_matrix_root(x, y), number=1)
    exact, approximate = frechet_distance(x, y), by_matrix_root(x, y)
    print(f"nuclear norm {ours * 1e3:.2f} ms, sqrtm {theirs:.2f} s: {theirs / ours:,.0f} times")
    print(f"relative difference {abs(exact - approximate) / exact:.1e} (of sqrtm's rounding)")


if __name__ == "__main__":
    main()
