"""Near duplicates: the same picture re-encoded, scaled, or a frame of the same moment."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from generation.datasets.records import Record

DISTANCE = 24  # bits of 256; how it was measured: docs/datasets.md
_CELLS = 4_000_000  # of the distance matrix in memory at once: about 32 MB


def near_duplicates(fingerprints: Sequence[bytes], *, distance: int = DISTANCE) -> NDArray[np.intp]:
    """Pairs (i, j), i < j, whose fingerprints differ in at most ``distance`` of 256 bits.

    Exhaustive, in blocks of XOR and popcount: O(n²) word operations. Returns shape (pairs, 2).
    """
    words = np.frombuffer(b"".join(fingerprints), dtype=np.uint64).reshape(len(fingerprints), -1)
    found = list(_pairs(words, distance))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.intp)


def _pairs(words: NDArray[np.uint64], distance: int) -> Iterator[NDArray[np.intp]]:
    count = len(words)
    rows = max(1, _CELLS // max(1, count))
    for start in range(0, count, rows):
        block, rest = words[start : start + rows], words[start:]
        differing = np.zeros((len(block), len(rest)), dtype=np.uint16)
        for word in range(words.shape[1]):
            differing += np.bitwise_count(block[:, word, None] ^ rest[None, :, word])
        near = np.argwhere(differing <= distance) + start
        yield near[near[:, 0] < near[:, 1]]


def groups(count: int, pairs: NDArray[np.intp]) -> NDArray[np.int32]:
    """A group's number for each of ``count`` images; near duplicates share theirs."""
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    return connected_components(links, directed=False)[1]


def across_splits(records: Sequence[Record], *, distance: int = DISTANCE) -> list[str]:
    """A problem for each pair of near duplicates that stand in different splits."""
    pairs = near_duplicates([record.fingerprint for record in records], distance=distance)
    return [
        f"{one.name} ({one.split}) and {other.name} ({other.split}) show the same picture: leave "
        "one out, move it into the other’s split, or have all images split anew with --holdout."
        for one, other in ((records[i], records[j]) for i, j in pairs)
        if one.split != other.split
    ]
