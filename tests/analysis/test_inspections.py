"""Inspections and the gallery that shows what they found."""

import io

import pytest
from django.urls import reverse
from PIL import Image as Pillow

from analysis.gallery import Narrowed, flag_counts, is_stale, shown_cases
from analysis.inspections import InspectionError, create_inspection
from analysis.models import ImageFlag, Inspection, Neighbour
from annotation.cases import exclude_case, include_case, sample_again
from annotation.models import CaseSet, Member, Study
from generation.jobs import perform
from generation.models import Generator, Image
from tests import builders

pytestmark = pytest.mark.django_db
State = Study.State


def png_of(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def replace_image(image, content):
    """Another picture in its place."""
    new = builders.an_image(image_set=image.image_set, index=99, content=content)
    Image.objects.filter(pk=image.pk).update(
        file=new.file.name, sha256=new.sha256, width=image.width, height=image.height
    )
    new.delete()


@pytest.fixture
def study():
    """Of images like noise, among which one is black, and one a copy of a training image."""
    study = builders.a_study(state=State.IMAGES, readers=[], size=32)
    arm = study.arms.first()
    first, second = arm.sets.order_by("case__position")[:2]
    replace_image(first.images()[1], png_of(Pillow.new("RGB", (32, 32))))
    copied = second.images()[0]
    with copied.file.open() as file:
        picture = Pillow.open(file).convert("RGB")
    picture.putpixel((0, 0), (1, 2, 3))
    dataset = arm.generator.trained_on
    for _ in range(3):
        builders.an_image(dataset=dataset, split="train", size=32)
    builders.an_image(dataset=dataset, split="train", size=32, content=png_of(picture))
    return study


def inspected(study):
    inspection = create_inspection(study=study, by=study.owner)
    assert perform(Inspection, inspection.pk)
    inspection.refresh_from_db()
    assert inspection.status == Inspection.Status.DONE, inspection.error
    return inspection


def test_what_is_planted_is_found(study):
    inspection = inspected(study)
    found = {(flag.kind, flag.image_id) for flag in inspection.flags.all()}
    first, second = study.arms.first().sets.order_by("case__position")[:2]
    assert ("plain", first.images()[1].pk) in found
    assert ("copy", second.images()[0].pk) in found
    assert len([kind for kind, _ in found if kind == "copy"]) == 1
    assert inspection.neighbours.count() == Image.objects.generated().count()
    nearest = inspection.neighbours.first()
    assert nearest.image_id == second.images()[0].pk
    assert nearest.as_near == 0
    assert inspection.results["arms"]["1"] == {"training": 4, "held_out": 4}
    assert (inspection.done, inspection.total) == (inspection.total, inspection.total)


def test_a_second_inspection_finds_the_same_and_embeds_nothing_anew(study):
    one, two = inspected(study), inspected(study)
    assert one.pk != two.pk
    rows = [sorted(i.flags.values_list("image", "kind", "detail")) for i in (one, two)]
    assert rows[0] == rows[1]


def test_a_double_click_inspects_once(study):
    one = create_inspection(study=study, by=study.owner)
    assert create_inspection(study=study, by=study.owner) == one


@pytest.mark.parametrize("state", [State.DRAFT, State.SEALED, State.RUNNING])
def test_only_what_can_still_change_is_inspected(state):
    study = builders.a_study(state=state, readers=["bob"])
    with pytest.raises(InspectionError, match="between their making and sealing"):
        create_inspection(study=study, by=study.owner)


@pytest.mark.parametrize("known", [True, False])
def test_without_training_images_there_are_flags_and_no_neighbours(study, known):
    if known:
        Image.objects.filter(split="train").update(split="validation")
    else:
        Generator.objects.update(trained_on=None)
    inspection = inspected(study)
    assert not inspection.neighbours.exists()
    assert inspection.flags.filter(kind="plain").count() == 1
    assert inspection.results == {"arms": {}}


def test_a_set_that_was_sampled_again_takes_its_flags_along(study):
    inspection = inspected(study)
    assert {key: n for key, _, n in flag_counts(inspection)}["plain"] == 1
    assert not is_stale(study, inspection)
    shown = study.arms.first().sets.order_by("case__position")[0]
    sample_again(study=study, shown=shown, by=study.owner, reason="black")
    assert "plain" not in [key for key, *_ in flag_counts(inspection)]
    shown.refresh_from_db()
    builders.an_image(image_set=shown.image_set, index=0)
    assert is_stale(study, inspection)


def test_a_case_that_was_left_out_takes_its_flags_along_and_brings_them_back(study):
    inspection = inspected(study)
    counts = flag_counts(inspection)
    flagged = study.arms.first().sets.order_by("case__position")[0].case
    exclude_case(study=study, case=flagged, by=study.owner, reason="black")
    assert flag_counts(inspection) != counts
    include_case(study=study, position=flagged.position, by=study.owner)
    assert flag_counts(inspection) == counts
    assert not is_stale(study, inspection)


def test_a_case_that_was_out_while_the_rest_was_inspected_is_to_be_inspected(study):
    case = study.cases.first()
    exclude_case(study=study, case=case, by=study.owner, reason="black")
    inspection = inspected(study)
    assert not is_stale(study, inspection)
    include_case(study=study, position=case.position, by=study.owner)
    assert is_stale(study, inspection)
    assert not is_stale(study, inspected(study))


def test_the_gallery_is_narrowed_down_to_a_case_an_arm_a_flag(study):
    inspection = inspected(study)

    def sets(**narrowed):
        _, cases = shown_cases(study, inspection, Narrowed(**narrowed), page="1")
        return [(one.case.position, s.case_set.arm.position) for one in cases for s in one.sets]

    assert len(sets()) == 4 * 3
    assert sets(case=2) == [(2, 1), (2, 2), (2, 3)]
    assert sets(arm=3) == [(1, 3), (2, 3), (3, 3), (4, 3)]
    assert sets(flag="plain") == [(1, 1)]
    assert sets(flag="plain", arm=2) == []


def gallery(study):
    return reverse("analysis:gallery", args=[study.slug])


def test_the_page_shows_flags_neighbours_and_acts(client, study):
    client.force_login(study.owner)
    page = client.get(gallery(study)).content.decode()
    assert "Not inspected yet" in page
    inspected(study)
    page = client.get(gallery(study)).content.decode()
    assert "All black." in page
    assert page.count("Sample this set again…") == 12
    assert page.count("Leave this case out…") == 4
    assert page.count("Its nearest training image") == 24
    assert "1 of one colour" in page


def test_a_broken_filter_shows_all(client, study):
    client.force_login(study.owner)
    for query in ("case=x", "case=-1", "arm=999999999999999999999", "flag=nothing", "page=x"):
        assert client.get(f"{gallery(study)}?{query}").status_code == 200


def test_leaving_out_goes_back_to_the_gallery_as_it_was(client, study):
    client.force_login(study.owner)
    address = reverse("annotation:case-exclude", args=[study.slug, 1])
    response = client.post(address, {"reason": "odd", "query": "arm=2"}, follow=True)
    assert response.redirect_chain[-1][0] == f"{gallery(study)}?arm=2"
    page = response.content.decode()
    assert "Left out: cases 1 and 2." in page
    assert "“Generate an image with 1 polyps.”: odd" in page.replace("</time>", "")


@pytest.mark.parametrize(
    ("who", "status"), [("victor", 404), ("bob", 403), ("monitor", 404), (None, 302)]
)
def test_the_gallery_is_for_those_who_run_the_study(client, study, who, status):
    builders.a_user("victor", researcher=True)
    builders.a_user("bob")
    monitor = builders.a_user("monitor", researcher=True)
    Member.objects.create(study=study, user=monitor, role=Member.Role.MONITOR)
    if who:
        client.force_login(builders.a_user(who))
    assert client.get(gallery(study)).status_code == status
    inspect = reverse("analysis:gallery-inspect", args=[study.slug])
    assert client.post(inspect).status_code == status
    image = CaseSet.objects.filter(case__study=study)[0].images()[0]
    small = reverse("annotation:study-image", args=[study.slug, image.pk])
    assert client.get(small).status_code == status
    assert not Inspection.objects.exists()


def test_a_co_investigator_sees_images_whoever_had_them_made(client, study):
    member = builders.a_user("dora", researcher=True)
    Member.objects.create(study=study, user=member, role=Member.Role.CO_INVESTIGATOR)
    client.force_login(member)
    assert client.get(gallery(study)).status_code == 200
    image = CaseSet.objects.filter(case__study=study)[0].images()[0]
    small = reverse("annotation:study-image", args=[study.slug, image.pk])
    assert client.get(small)["Content-Type"] == "image/jpeg"


def test_an_inspection_goes_with_its_study(study):
    inspected(study)
    study.delete()
    for rows in (Inspection, ImageFlag, Neighbour):
        assert not rows.objects.exists()
