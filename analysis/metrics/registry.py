"""The registry of metrics: what each is called, where it has a value, and what it looks at."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

# Where a metric has a value, from the smallest to the largest.
SCOPES = {
    "image": "one generated image and its prompt; a set's value is the mean over its images",
    "set": "the images of one arm for one prompt",
    "case": "such a set against the real images of its case",
    "pair": "the sets of one arm for a prompt and its rephrasings",
    "arm": "all images of an arm over the study",
}
# What a metric's function may take, by the name of the argument.
PARTS = {
    "features": "(n, d): of the generated images",
    "real": "(m, d): of the case's real images; of all the study's where the scope is the arm",
    "training": "(k, d): of the real images that the arm's generator was trained on",
    "held_out": "(m, d): of the real images that it was not trained on",
    "sets": "list of (n, d): one array a prompt of the pair",
    "pixels": "sequence of uint8 (height, width, 3): the generated images, decoded when asked for",
    "projected": "(n, p): of the generated images, in the space that images and texts share",
    "texts": "(t, p): of the case's prompt, in that space",
    "labels": "(n,): the pair that each generated image belongs to",
    "held_out_labels": "(m,): that of each held-out image; -1 where it has several",
    "training_labels": "(k,): that of each training image; -1 where it has none, or several",
    "tiles": "(n, 3072): pixels of the generated images (`analysis.metrics.pixel_views`)",
    "held_out_tiles": "(m, 3072): those of the held-out images",
    "training_tiles": "(k, 3072): those of the training images",
    "hashes": "(n, 256): bits of the perceptual hash of the generated images",
    "held_out_hashes": "(m, 256): those of the held-out images",
    "training_hashes": "(k, 256): those of the training images",
}
DIRECTIONS = ("higher", "lower", "neither")


@dataclass(frozen=True)
class Finding:
    """A value with more behind it.

    ``low`` and ``high`` are an interval of the metric's own; ``rows`` a table in plain JSON, for
    example the pairs that look copied.
    """

    value: float
    low: float | None = None
    high: float | None = None
    rows: Sequence[Mapping[str, Any]] = field(default=(), repr=False)


def mean_of_all(by_pair: Sequence[Sequence[float]]) -> float:
    """The mean of all values, whichever pair they belong to."""
    values = [value for values in by_pair for value in values]
    return sum(values) / len(values)


@dataclass(frozen=True, kw_only=True)
class Description:
    """What pages, tables and methods say of a metric, computed here or brought along.

    Attributes:
        key: Its name in tables.
        scope: One of `SCOPES`.
        better: One of `DIRECTIONS`.
        low, high: Range of its values.
        formula: One sentence, lower case, without a full stop.
        bias: How few images, or anything else, mislead it.
        source: Where it was published.
    """

    key: str
    name: str
    scope: str
    better: str
    formula: str
    bias: str
    low: float = -math.inf
    high: float = math.inf
    source: str = ""

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ValueError(f"{self.key}: no scope “{self.scope}”; there are {', '.join(SCOPES)}.")
        if self.better not in DIRECTIONS:
            raise ValueError(f"{self.key}: better is one of {', '.join(DIRECTIONS)}.")

    @property
    def range(self) -> str:
        """“0 to 1”, “0 or more”, “any value”."""
        if math.isinf(self.high):
            return "any value" if math.isinf(self.low) else f"{self.low:g} or more"
        low = "any value up to" if math.isinf(self.low) else f"{self.low:g} to"
        return f"{low} {self.high:g}".replace("-", "−")

    def to_dict(self) -> dict[str, str]:
        """As plain JSON, which knows no infinity: the range in words."""
        words = ("key", "name", "scope", "better", "range", "formula", "bias", "source")
        return {word: getattr(self, word) for word in words}


@dataclass(frozen=True, kw_only=True)
class Metric(Description):
    """One metric that is computed here.

    Attributes:
        takes: Of `PARTS`, in the order of the function's arguments.
        least: Images that a set needs.
        function: Gives a float or a `Finding`; of scope ``image`` an array. ValueError, with a
            sentence, where there is no value.
        pooled: From the values by pair to that of an arm; their mean unless the metric says more.
        floor: Whether its value for real against real images stands beside it.
        embedder: Where it bears its name with one embedder only.
        version: Counts up when values change, so that kept ones aren't used.
    """

    takes: tuple[str, ...]
    function: Callable[..., Any]
    least: int = 1
    pooled: Callable[[Sequence[Sequence[float]]], float] = mean_of_all
    floor: bool = False
    embedder: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := [part for part in self.takes if part not in PARTS]:
            raise ValueError(f"{self.key} takes {unknown[0]}; there are {', '.join(PARTS)}.")
        if self.floor and self.takes != ("features", "real"):
            raise ValueError(f"{self.key}: a floor needs a metric of features and real alone.")


METRICS: dict[str, Metric] = {}
Function = TypeVar("Function", bound=Callable[..., Any])


def metric(*, key: str = "", **description: Any) -> Callable[[Function], Function]:
    """Register the function below as a `Metric`; its key is the function's name.

    Raises:
        ValueError: the key is taken by another function, or the description is not valid.
    """

    def register(function: Function) -> Function:
        row = Metric(key=key or function.__name__, function=function, **description)
        other = METRICS.get(row.key)
        if other and other.function.__module__ != function.__module__:
            raise ValueError(f"There is a metric “{row.key}” already: {other.name}.")
        METRICS[row.key] = row
        return function

    return register
