import os
import subprocess
import sys

import pytest
import torch
from accelerate import Accelerator
from django.conf import settings

from generation.training import cache as module
from generation.training.cache import TensorCache

KEYS = [f"{n} view 0" for n in range(5)]


class Computing:
    """Makes tensors of keys, and remembers of which."""

    def __init__(self):
        self.asked = []

    def __call__(self, keys):
        self.asked += keys
        return [{"number": torch.tensor([float(key.split()[0])])} for key in keys]


@pytest.fixture
def compute():
    return Computing()


def fill(cache, keys, compute):
    cache.fill(keys, compute, accelerator=Accelerator(), batch=2)


def numbers(cache, keys):
    return [cache[key]["number"].item() for key in keys]


def test_tensors_are_found_by_key_whatever_the_order(tmp_path, compute):
    cache = TensorCache(tmp_path)
    fill(cache, KEYS, compute)
    assert compute.asked == KEYS
    assert numbers(cache, KEYS[::-1]) == [4, 3, 2, 1, 0]
    assert "9 view 0" not in cache


def test_a_reopened_cache_has_everything_and_computes_what_is_new_alone(tmp_path, compute):
    fill(TensorCache(tmp_path), KEYS[:3], compute)
    again, more = TensorCache(tmp_path), Computing()
    fill(again, KEYS[::-1], more)
    assert sorted(more.asked) == KEYS[3:]
    assert numbers(again, KEYS) == [0, 1, 2, 3, 4]


def test_another_process_reads_what_one_wrote(tmp_path, compute):
    fill(TensorCache(tmp_path), KEYS, compute)
    code = (
        "import sys; from pathlib import Path\n"
        "from generation.training.cache import TensorCache\n"
        "print(TensorCache(Path(sys.argv[1]))['3 view 0']['number'].item())"
    )
    run = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(run, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3.0"


@pytest.mark.parametrize("left", [0, 4, 20, -2])
def test_what_a_power_cut_left_of_a_file_is_computed_again(tmp_path, compute, left):
    fill(TensorCache(tmp_path), KEYS, compute)
    path = TensorCache(tmp_path)._path(KEYS[2])
    content = path.read_bytes()
    path.write_bytes(content[:left])
    again, more = TensorCache(tmp_path), Computing()
    assert KEYS[2] not in again
    fill(again, KEYS, more)
    assert more.asked == [KEYS[2]]
    assert numbers(again, KEYS) == [0, 1, 2, 3, 4]
    assert path.read_bytes() == content


def test_a_filling_that_was_interrupted_goes_on(tmp_path, compute):
    def stop(keys):
        if KEYS[2] in keys:
            raise KeyboardInterrupt
        return compute(keys)

    with pytest.raises(KeyboardInterrupt):
        fill(TensorCache(tmp_path), KEYS, stop)
    more = Computing()
    fill(TensorCache(tmp_path), KEYS, more)
    assert (compute.asked, more.asked) == (KEYS[:2], KEYS[2:])


def test_tensors_keep_shape_and_format_and_are_not_those_given(tmp_path):
    cache = TensorCache(tmp_path)
    given = {
        "latents": torch.randn(4, 8, 8).transpose(0, 2),
        "mask": torch.tensor([True, False]),
        "tokens": torch.randn(3, 4).bfloat16(),
    }
    cache["a"] = given
    for tensors in (cache["a"], TensorCache(tmp_path)["a"]):
        assert tensors.keys() == given.keys()
        for name, tensor in tensors.items():
            assert tensor.dtype == given[name].dtype
            assert torch.equal(tensor, given[name])
    kept = given["mask"].clone()
    given["mask"].logical_not_()
    assert torch.equal(cache["a"]["mask"], kept)


def test_a_key_may_be_any_text(tmp_path):
    cache = TensorCache(tmp_path)
    keys = ["", "../outside", "a/b", "Ä" * 300, "a\nb", "A", "a"]
    for number, key in enumerate(keys):
        cache[key] = {"number": torch.tensor([float(number)])}
    assert numbers(TensorCache(tmp_path), keys) == list(range(7))
    assert {path.parent.parent for path in tmp_path.rglob("*.safetensors")} == {tmp_path}


def test_what_memory_has_no_room_for_is_read_from_disk(tmp_path, compute, monkeypatch):
    fill(TensorCache(tmp_path), KEYS, compute)
    monkeypatch.setattr(module, "IN_MEMORY", 8)  # two float32
    cache = TensorCache(tmp_path)
    assert numbers(cache, KEYS) == [0, 1, 2, 3, 4]
    for path in tmp_path.rglob("*.safetensors"):
        os.remove(path)
    assert numbers(cache, KEYS[:2]) == [0, 1]
    with pytest.raises(FileNotFoundError):
        cache[KEYS[2]]
