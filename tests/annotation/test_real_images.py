"""No image is shown openly and hidden in one study, whatever the data set and the seed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from annotation.errors import StudyError
from annotation.models import ShownImage
from annotation.real_images import choose_hidden, choose_references
from generation.models import Dataset, Image, Prompt
from tests import builders

pytestmark = pytest.mark.django_db


def a_captioned_dataset(captions):
    """Two pairs of prompts, and a test image for each set of them that captions it."""
    dataset = Dataset.objects.create(name="Captioned", slug="captioned")
    prompts = []
    for n in (1, 2):
        original = Prompt.objects.create(dataset=dataset, text=f"{n} polyps.")
        other = Prompt.objects.create(dataset=dataset, text=f"{n}!", rephrasing_of=original)
        prompts += [original, other]
    for i, named in enumerate(captions):
        image = Image.objects.create(
            dataset=dataset, kind="real", name=f"{i}.png", split="test", sha256=f"{i:064}",
            file=f"{i}.png", width=8, height=8,
        )  # fmt: skip
        image.prompts.set([prompts[2 * (n - 1)] for n in named])
    return dataset, prompts


class TestChoice(TestCase):
    @settings(max_examples=25, deadline=None)
    @given(
        captions=st.lists(st.sets(st.sampled_from([1, 2]), min_size=1), min_size=4, max_size=24),
        references=st.integers(0, 4),
        hidden=st.integers(1, 4),
        seed=st.integers(0, 2**62),
    )
    def test_hidden_images_are_never_references_of_any_case(
        self, captions, references, hidden, seed
    ):
        dataset, prompts = a_captioned_dataset(captions)
        wish = {"prompts": prompts, "dataset": dataset, "split": "test", "seed": seed}
        try:
            shown = choose_references(**wish, count=references)
            chosen = choose_hidden(**wish, count=hidden, references=shown)
        except StudyError as error:
            assert "Too few" in str(error)  # noqa: PT017
            return
        open_, secret = (
            {image.pk for images in found.values() for image in images} for found in (shown, chosen)
        )
        assert not open_ & secret
        for found, count in ((shown, references), (chosen, hidden)):
            assert {len({image.pk for image in found[prompt.pk]}) for prompt in prompts} == {count}


def test_no_reader_is_shown_a_reference_among_the_sets():
    study = builders.a_study(pairs=3, protocol=builders.a_protocol(hidden_real=True, repeats=0.2))
    shown = ShownImage.objects.filter(reading__reader__study=study)
    references = set(shown.filter(reading_set=None).values_list("image__sha256", flat=True))
    sets = set(shown.exclude(reading_set=None).values_list("image__sha256", flat=True))
    assert references
    assert not references & sets
