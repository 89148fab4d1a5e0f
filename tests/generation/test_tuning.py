import shutil

import numpy as np
import pytest
import torch

from generation.engine.registry import load_sampler
from generation.engine.spec import Tuning
from generation.engine.tuning import COMPILED, CPU_BATCH, RESERVE, fitting_batch

GIB = 2**30
WEIGHTS, EACH = 10 * GIB, GIB  # of memory: for the model, and beside it for each image


def peak(count):
    return WEIGHTS + count * EACH


def test_as_many_images_are_sampled_at_once_as_fit_into_memory_with_some_to_spare():
    memory = 30 * GIB
    size = fitting_batch(peak, memory, 40)
    assert peak(size) <= RESERVE * memory < peak(size + 1)


def test_no_more_images_are_sampled_at_once_than_are_asked_for():
    assert fitting_batch(peak, 1000 * GIB, 40) == 40
    assert fitting_batch(peak, 1000 * GIB, 1) == 1


def test_at_least_one_image_is_sampled_where_hardly_more_fits():
    assert fitting_batch(peak, 11 * GIB, 40) == 1


def test_images_that_take_no_more_memory_than_one_are_sampled_all_at_once():
    assert fitting_batch(lambda count: WEIGHTS, 11 * GIB, 40) == 40


@pytest.mark.parametrize("few", [2, 4, 40])
def test_where_a_few_images_do_not_fit_one_is_sampled_at_a_time(few):
    def full(count):
        if count > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return peak(count)

    assert fitting_batch(full, 11 * GIB, few) == 1


def test_a_model_that_has_no_room_at_all_and_any_other_error_are_told():
    def refuse(error):
        def full(count):
            raise error

        return full

    with pytest.raises(RuntimeError, match="out of memory"):
        fitting_batch(refuse(RuntimeError("CUDA out of memory.")), GIB, 40)

    def broken(count):
        if count > 1:
            raise RuntimeError("shapes do not match")
        return peak(count)

    with pytest.raises(RuntimeError, match="shapes"):
        fitting_batch(broken, 30 * GIB, 40)


@pytest.fixture
def sampler(checkpoint):
    return load_sampler("msdm", checkpoint, device="cpu")


def test_on_a_cpu_nothing_is_measured(sampler):
    assert sampler.tune(40) == Tuning(CPU_BATCH)
    assert sampler.tune(3) == Tuning(3)


def test_compiled_blocks_draw_the_same_pixels_to_rounding(sampler):
    if not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("Compiling needs a C++ compiler; there is none here.")
    prompts, seeds = ["red", "a blue square."], [3, 4]
    before = sampler.sample(prompts, seeds)
    blocks = list(sampler.blocks())
    sampler.use([COMPILED])
    assert sampler.provenance()["options"] == [COMPILED]
    compiled = sampler.sample(prompts, seeds)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1, "nothing was compiled"
    sampler.use([])
    assert all(block._compiled_call_impl is None for block in blocks)
    assert "options" not in sampler.provenance()
    after = sampler.sample(prompts, seeds)
    for one, other, again in zip(before, compiled, after, strict=True):
        assert np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 1
        assert np.array_equal(one, again)
