import hashlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.datasets import DatasetError
from generation.datasets.records import Record
from generation.datasets.splitting import hold_out

SEEDS = st.integers(0, 2**31)


def some_records(count, *, twins=0):
    """Records far apart from each other; the first ``twins`` are followed by a near duplicate."""
    bits = np.random.default_rng(3).integers(0, 256, (count, 32), dtype=np.uint8)
    made = []
    for number, row in enumerate(bits):
        for copy in range(2 if number < twins else 1):
            row = row.copy()
            row[0] ^= copy
            name = f"{number}-{copy}"
            digest = hashlib.sha256(name.encode()).hexdigest()
            made.append(Record(name, lambda: b"", sha256=digest, fingerprint=row.tobytes()))
    return made


def split(records, **options):
    hold_out(records, **options)
    return {record.name: record.split for record in records}


@settings(max_examples=40, deadline=None)
@given(count=st.integers(2, 200), share=st.floats(0.01, 0.9), seed=SEEDS)
def test_the_share_is_right_to_one_image(count, share, seed):
    splits = split(some_records(count), holdout=share, split_seed=seed)
    assert sum(s == "test" for s in splits.values()) == max(1, round(share * count))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, order=st.randoms(use_true_random=False))
def test_order_does_not_matter(seed, order):
    records = some_records(60, twins=10)
    expected = split(records, split_seed=seed)
    order.shuffle(records)
    assert split(records, split_seed=seed) == expected


@settings(max_examples=40, deadline=None)
@given(twins=st.integers(0, 30), share=st.floats(0.05, 0.6), seed=SEEDS)
def test_near_duplicates_stay_together_and_the_share_is_right_to_one_group(twins, share, seed):
    records = some_records(30, twins=twins)
    splits = split(records, holdout=share, split_seed=seed)
    for number in range(twins):
        assert splits[f"{number}-0"] == splits[f"{number}-1"]
    held = sum(s == "test" for s in splits.values())
    assert max(1, round(share * len(records))) - 1 <= held <= max(1, round(share * len(records)))


def test_names_do_not_matter_and_seeds_do():
    records = some_records(200)
    first = [record.split for record in records if split(records, split_seed=1)]
    for record in records:
        record.name = f"renamed {random.random()}"
    hold_out(records, split_seed=1)
    assert [record.split for record in records] == first
    hold_out(records, split_seed=2)
    assert [record.split for record in records] != first


def test_nothing_is_held_out_when_nothing_is_asked_for():
    assert set(split(some_records(5), holdout=0).values()) == {"train"}


@pytest.mark.parametrize("share", [1, 1.5, -0.1])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(DatasetError, match="from 0 to below 1"):
        hold_out(some_records(5), holdout=share)


def test_one_group_of_near_duplicates_cannot_be_split():
    with pytest.raises(DatasetError, match="one group of near duplicates"):
        hold_out(some_records(1, twins=1))


def test_groups_that_are_larger_than_the_share_are_named_as_the_reason():
    with pytest.raises(DatasetError, match="give a larger share"):
        hold_out(some_records(3, twins=3), holdout=0.1)
