"""Arms whose images were imported, beside arms that are sampled; two studies share a set."""

from dataclasses import replace

import pytest
from django.urls import reverse

from annotation.audits import audit_blinding
from annotation.drafts import create_study
from annotation.errors import StudyError
from annotation.manifest import still_as_sealed
from annotation.models import CaseSet, ShownImage, Study
from annotation.readers import add_reader
from annotation.real_images import choose_references
from annotation.studies import generate_images, mark_checked, open_study, seal_study
from generation.imported_sets import import_sets
from generation.models import Image
from tests.builders import a_dataset, a_generator, a_protocol, a_user
from tests.generation.a_run import fill
from tests.generation.datasets.pictures import encode, picture

pytestmark = pytest.mark.django_db
State = Study.State


@pytest.fixture
def dataset():
    return a_dataset()


def imported(tmp_path, dataset, by, name, *, number, prompts=4, images=2):
    """A generator whose images were imported for the first of the data set's prompts."""
    for prompt in range(1, prompts + 1):
        folder = tmp_path / name / str(prompt)
        folder.mkdir(parents=True)
        for i in range(images):
            pixels = picture(10_000 * number + 100 * prompt + i, size=16)
            (folder / f"{i}.png").write_bytes(encode(pixels, "PNG"))
    done = import_sets(
        name=name,
        source="The authors",
        dataset=dataset,
        archive=tmp_path / name,
        archive_name=f"{name}.zip",
        by=by,
        some=True,
    )
    return done.run.generator


def a_draft_of(dataset, generators, owner, *, first=None, **fields):
    prompts = list(dataset.prompts.all())[:first]
    return create_study(
        **{
            "title": "Polyps",
            "protocol": a_protocol(),
            "prompts": prompts,
            "references": choose_references(
                prompts=prompts, dataset=dataset, split="test", count=2, seed=1
            ),
            "generators": generators,
            "seed": 20260101,
            "owner": owner,
            **fields,
        }
    )


def opened(study, reader):
    """Through every step; a worker's part is done by `fill`."""
    owner = study.owner
    generate_images(study=study, by=owner)
    for arm in study.arms.filter(run__status="queued"):
        fill(arm.run, arm.run.total)
    mark_checked(study=study, by=owner)
    seal_study(study=study, by=owner)
    add_reader(study=study, user=a_user(reader), by=owner)
    open_study(study=study, by=owner)
    return study


def test_two_imported_arms_and_a_sampled_one_go_through_to_readers(tmp_path, dataset, alice):
    moss = imported(tmp_path, dataset, alice, "Quagga", number=1)
    reed = imported(tmp_path, dataset, alice, "Okapi", number=2)
    study = opened(a_draft_of(dataset, [moss, a_generator(), reed], alice), "bob")
    assert study.state == State.RUNNING
    runs = [arm.run for arm in study.arms.all()]
    assert [run.seed for run in runs] == [None, study.seed, None]
    assert runs[0] == moss.runs.get()
    for shown in CaseSet.objects.filter(case__study=study).select_related("case", "image_set"):
        assert shown.image_set.prompt_id == shown.case.prompt_id
        assert shown.image_set.images.count() == 2
    assert study.manifest["arms"][0]["family"] == "imported"
    assert study.manifest["arms"][0]["run_seed"] is None
    audit = audit_blinding(study=study)
    assert audit.findings == []
    assert audit.responses > 10


def test_two_studies_share_imported_sets_behind_tokens_of_their_own(tmp_path, dataset, alice):
    generators = [imported(tmp_path, dataset, alice, "Quagga", number=1), a_generator()]
    one = opened(a_draft_of(dataset, generators, alice), "bob")
    two = opened(a_draft_of(dataset, generators, alice, title="Polyps again"), "carol")
    assert still_as_sealed(one)
    assert still_as_sealed(two)
    shared = Image.objects.filter(image_set__run__generator=generators[0])
    tokens = {
        study: set(
            ShownImage.objects.filter(reading__reader__study=study, image__in=shared).values_list(
                "token", flat=True
            )
        )
        for study in (one, two)
    }
    assert tokens[one]
    assert tokens[two]
    assert not tokens[one] & tokens[two]
    for study in (one, two):
        assert audit_blinding(study=study).findings == []


def test_the_owner_sees_imported_sets_in_the_study_and_nobody_else_does(
    tmp_path, dataset, alice, client
):
    generators = [imported(tmp_path, dataset, alice, "Quagga", number=1), a_generator()]
    study = opened(a_draft_of(dataset, generators, alice), "bob")
    image = Image.objects.filter(image_set__run__generator=generators[0]).first()
    address = reverse("generation:image", args=[image.pk])
    client.force_login(alice)
    gallery = client.get(reverse("analysis:gallery", args=[study.slug])).content.decode()
    assert reverse("annotation:study-image", args=[study.slug, image.pk]) in gallery
    assert client.get(address).status_code == 200
    client.force_login(a_user("victor", researcher=True))
    assert client.get(address).status_code == 404
    client.force_login(a_user("bob"))
    assert client.get(address).status_code == 403


def test_a_study_that_does_not_fit_what_was_imported_is_refused_when_it_is_made(
    tmp_path, dataset, alice
):
    whole = imported(tmp_path, dataset, alice, "Quagga", number=1)
    half = imported(tmp_path, dataset, alice, "Okapi", number=2, prompts=2)
    victor = a_user("victor", researcher=True)
    for generator, change, words in (
        (whole, {"protocol": replace(a_protocol(), images_per_set=1)}, "protocol shows 1"),
        (whole, {"protocol": replace(a_protocol(), images_per_set=3)}, "protocol shows 3"),
        (half, {}, "without images for 2 of these 4 prompts"),
        (whole, {"owner": victor}, "by somebody else"),
    ):
        with pytest.raises(StudyError, match=words):
            a_draft_of(dataset, [generator, a_generator()], **{"owner": alice, **change})
    assert not Study.objects.exists()


def test_prompts_of_another_data_set_don_t_fit_even_with_the_same_texts(tmp_path, dataset, alice):
    generator = imported(tmp_path, dataset, alice, "Quagga", number=1)
    with pytest.raises(StudyError, match="without images for 4 of these 4 prompts"):
        a_draft_of(a_dataset(), [generator, a_generator()], alice)


def test_a_study_of_some_imported_prompts_counts_its_own_images_alone(
    tmp_path, dataset, alice, client
):
    generators = [
        imported(tmp_path, dataset, alice, name, number=number)
        for number, name in enumerate(("Quagga", "Okapi"))
    ]
    study = a_draft_of(dataset, generators, alice, first=2)
    generate_images(study=study, by=alice)
    client.force_login(alice)
    assert b"8 of 8 images" in client.get(study.get_absolute_url()).content
