"""Metrics of image sets, on features of any embedder. Pure: numpy in, numbers out.

Features are float arrays of shape (images, dimensions), as the embedder gives them: not projected,
not normalised. Each metric is a file; to add one, see docs/metrics.md.
"""

from importlib import import_module

from analysis.metrics.registry import (
    METRICS,
    PARTS,
    SCOPES,
    Description,
    Finding,
    Metric,
    metric,
)

__all__ = ["METRICS", "PARTS", "SCOPES", "Description", "Finding", "Metric", "metric"]

# In the order in which they are listed.
BUILT_IN = (
    "frechet",
    "fidelity",
    "agreement",
    "diversity",
    "fbd",
    "energy",
    "mmd",
    "fid",
    "kid",
    "neighbours",
    "ms_ssim",
    "clip_score",
    "copying",
    "utility",
)
for _name in BUILT_IN:
    import_module(f"{__name__}.{_name}")
