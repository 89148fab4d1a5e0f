import pytest

from generation.training.families.msdm import train as train_msdm
from tests.generation.tiny_bases import FAMILIES, tiny_base
from tests.generation.tiny_msdm import TINY, draw_images


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A real checkpoint of the smallest kind: 32×32 pixels, four steps."""
    folder = tmp_path_factory.mktemp("tiny")
    train_msdm(draw_images(folder / "images"), config=TINY, output=folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """Family → a tiny base of it (Kandinsky's in the folders prior and decoder)."""
    folder = tmp_path_factory.mktemp("bases")
    return {family: tiny_base(family, folder / family) for family in FAMILIES}
