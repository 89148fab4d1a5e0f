"""A sample's random numbers belong to it alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generation.training.draws import Draws

seeds = st.integers(0, 2**31)
stages = st.sampled_from(["vae", "unet", "prior", "decoder", "transformer"])
samples = st.lists(st.integers(0, 10**9), min_size=1, max_size=6)


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.long)


@given(seeds, stages, samples, st.randoms())
def test_noise_does_not_depend_on_order_or_company(seed, stage, numbers, random):
    draws = Draws(seed, stage, 16)
    alone = {n: draws.normal_of(tensor([n]), (2, 3))[0] for n in numbers}
    random.shuffle(numbers)
    for row, number in zip(draws.normal_of(tensor(numbers), (2, 3)), numbers, strict=True):
        assert torch.equal(row, alone[number])


@given(seeds, stages, samples, st.randoms(), st.integers(1, 64))
def test_noise_levels_do_not_depend_on_order_or_company(seed, stage, numbers, random, batch):
    draws = Draws(seed, stage, batch)
    alone = {n: draws.uniform(tensor([n])).item() for n in numbers}
    random.shuffle(numbers)
    assert draws.uniform(tensor(numbers)).tolist() == [alone[n] for n in numbers]


@given(seeds, stages, samples, st.integers(1, 64), st.integers(1, 64))
def test_noise_does_not_depend_on_the_size_of_a_step(seed, stage, numbers, batch, other):
    one, two = Draws(seed, stage, batch), Draws(seed, stage, other)
    assert torch.equal(one.normal_of(tensor(numbers), (4,)), two.normal_of(tensor(numbers), (4,)))


@given(seeds, stages, samples)
def test_draws_take_nothing_from_and_leave_the_global_generator_alone(seed, stage, numbers):
    draws = Draws(seed, stage, 16)
    torch.manual_seed(1)
    first = (draws.normal_of(tensor(numbers), (4,)), draws.uniform(tensor(numbers)))
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    again = (draws.normal_of(tensor(numbers), (4,)), draws.uniform(tensor(numbers)))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


@given(seeds, st.integers(0, 10**9))
def test_another_seed_stage_or_sample_draws_other_noise(seed, number):
    drawn = [
        Draws(seed, "unet", 16).normal_of(tensor([number]), (4,)),
        Draws(seed + 1, "unet", 16).normal_of(tensor([number]), (4,)),
        Draws(seed, "vae", 16).normal_of(tensor([number]), (4,)),
        Draws(seed, "unet", 16).normal_of(tensor([number + 1]), (4,)),
    ]
    assert len({tuple(row.flatten().tolist()) for row in drawn}) == 4


@given(seeds, stages, st.integers(1, 64), st.integers(0, 10**6))
def test_a_step_has_one_noise_level_in_each_equal_part(seed, stage, batch, step):
    levels = Draws(seed, stage, batch).uniform(torch.arange(step * batch, (step + 1) * batch))
    assert levels.min() >= 0
    assert levels.max() < 1
    # the level of a sample at a part's very edge may be rounded up to it
    for place, level in enumerate(levels.tolist()):
        assert place / batch - 1e-6 <= level <= (place + 1) / batch + 1e-6


def test_draws_are_normal_and_uniform():
    draws = Draws(0, "unet", 1)
    noise = draws.normal_of(torch.arange(2000), (50,))
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    levels = draws.uniform(torch.arange(4000))
    assert levels.mean().item() == pytest.approx(0.5, abs=0.02)
    assert levels.std().item() == pytest.approx(12**-0.5, abs=0.02)


def test_noise_has_the_shape_place_and_format_of_what_it_is_added_to():
    like = torch.zeros(2, 4, 8, 8, dtype=torch.bfloat16)
    noise = Draws(0, "unet", 2).normal(torch.arange(2), like)
    assert (noise.shape, noise.dtype, noise.device) == (like.shape, like.dtype, like.device)
