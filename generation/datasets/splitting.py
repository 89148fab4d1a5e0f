"""Holding images out for testing: by image with all its captions, near duplicates together."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from generation.datasets import DatasetError
from generation.datasets.duplicates import DISTANCE, groups, near_duplicates
from generation.datasets.records import Record

HOLDOUT = 0.1  # of the images: what the paper holds out, with all their prompts


def hold_out(
    records: Sequence[Record],
    *,
    holdout: float = HOLDOUT,
    split_seed: int = 0,
    distance: int = DISTANCE,
) -> None:
    """Set every record's split to train or test.

    The images' digests with the seed decide, never their order or names. Groups of near
    duplicates stay whole: they are drawn until ``round(holdout · images)`` images, at least one,
    are in the test split; a group that would go over is passed by.

    Raises:
        DatasetError: the share is outside [0, 1), or no image can be held out.
    """
    if not 0 <= holdout < 1:
        raise DatasetError([f"The share held out is {holdout}; it must be from 0 to below 1."])
    for record in records:
        record.split = "train"
    if not holdout:
        return
    wanted = max(1, round(holdout * len(records)))
    pairs = near_duplicates([record.fingerprint for record in records], distance=distance)
    members: dict[int, list[Record]] = defaultdict(list)
    for number, record in zip(groups(len(records), pairs), records, strict=True):
        members[int(number)].append(record)
    if len(members) < 2:
        raise DatasetError(
            [
                f"Nothing can be held out of {len(records)} images that are one group of near "
                "duplicates: add images, or import all for training with --holdout 0."
            ]
        )
    held = 0
    for group in sorted(members.values(), key=lambda group: _draw(group, split_seed)):
        if held + len(group) <= wanted:
            held += len(group)
            for record in group:
                record.split = "test"
    if not held:
        raise DatasetError(
            [
                f"No group of near duplicates is small enough to hold out {wanted} of "
                f"{len(records)} images: give a larger share with --holdout."
            ]
        )


def _draw(group: list[Record], seed: int) -> str:
    digest = min(record.sha256 for record in group)
    return hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest()
