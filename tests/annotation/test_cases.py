"""Before sealing: a case left out, a set sampled again, a preview."""

import re
import threading
import time

import pytest
from django.db import transaction
from django.urls import reverse

from annotation.cases import exclude_case, include_case, last_left_out, sample_again
from annotation.errors import StudyError
from annotation.models import CaseImage, CaseSet, Ranking, Reading, Score, Study
from annotation.record import faults
from annotation.studies import mark_checked, seal_study
from generation.models import Image, ImageSet, Run
from generation.models.jobs import Job
from tests import builders
from tests.at_once import at_once

pytestmark = pytest.mark.django_db
State = Study.State


@pytest.fixture
def study(alice):
    """Two pairs, three arms, two images a set, looked at."""
    return builders.a_study(state=State.CHECKED, readers=[])


def fill(run):
    """What a worker leaves."""
    for image_set in run.image_sets.all():
        for index in range(run.images_per_set):
            builders.an_image(image_set=image_set, index=index, seed=run.seed % 1000 + index)
        ImageSet.objects.filter(pk=image_set.pk).update(completed_at=run.queued_at)
    Run.objects.filter(pk=run.pk).update(status=Job.Status.DONE, done=run.total)


def test_a_case_goes_for_all_arms_and_with_its_pair(study):
    images = Image.objects.count()
    one = study.cases.get(position=2)
    out = exclude_case(study=study, case=one, by=study.owner, reason="no polyp in it")
    assert [case.position for case in out] == [1, 2]
    assert list(study.cases.values_list("position", flat=True)) == [3, 4]
    assert CaseSet.objects.filter(case__study=study).count() == 2 * 3
    assert Image.objects.count() == images  # kept
    events = study.events.filter(act="leave out")
    assert [event.detail["case"] for event in events] == [1, 2]
    assert events[0].told["reason"] == "no polyp in it"
    assert sum(len(digests) for digests in events[0].detail["images"].values()) == 3 * 2
    seal_study(study=study, by=study.owner)
    assert [case["position"] for case in study.manifest["cases"]] == [3, 4]
    assert faults(study) == []


def test_a_case_is_brought_back_with_its_pair_and_looked_at_again(study):
    before = list(CaseSet.objects.filter(case__study=study).values_list("pk", flat=True))
    exclude_case(study=study, case=study.cases.get(position=2), by=study.owner, reason="odd")
    assert [event.detail["case"] for event in last_left_out(study)] == [1, 2]
    back = include_case(study=study, position=1, by=study.owner)
    assert [case.position for case in back] == [1, 2]
    assert study.state == State.IMAGES
    assert list(study.cases.values_list("position", flat=True)) == [1, 2, 3, 4]
    assert list(CaseSet.objects.filter(case__study=study).values_list("pk", flat=True)) == before
    assert last_left_out(study) == []
    assert [event.detail["case"] for event in study.events.filter(act="bring back")] == [1, 2]
    mark_checked(study=study, by=study.owner)
    assert CaseImage.objects.filter(case_set__case__study=study).count() == 4 * 3 * 2
    seal_study(study=study, by=study.owner)
    assert [case["position"] for case in study.manifest["cases"]] == [1, 2, 3, 4]
    assert faults(study) == []


def test_a_case_can_be_left_out_and_brought_back_while_images_are_made(alice):
    study = builders.a_study(state=State.IMAGES, readers=[])
    exclude_case(study=study, case=study.cases.get(position=1), by=alice, reason="odd")
    mark_checked(study=study, by=alice)
    include_case(study=study, position=1, by=alice)
    mark_checked(study=study, by=alice)
    assert CaseImage.objects.filter(case_set__case__study=study).count() == 4 * 3 * 2


def test_sealing_ends_what_can_be_brought_back(study):
    exclude_case(study=study, case=study.cases.get(position=1), by=study.owner, reason="odd")
    seal_study(study=study, by=study.owner)
    assert not study.cases_left_out.exists()
    with pytest.raises(StudyError, match="Can't bring cases back"):
        include_case(study=study, position=1, by=study.owner)
    assert [event.detail["case"] for event in last_left_out(study)] == [1, 2]


@pytest.fixture
def meanwhile():
    """Do the second thing while the first one is done, but not committed; what was raised."""
    done = threading.Event()

    def first(act):
        with transaction.atomic():
            act()
            done.set()
            time.sleep(1)  # the second one waits, or reads what was

    def second(act):
        done.wait()
        act()

    return lambda one, other: at_once([lambda: first(one), lambda: second(other)])


@pytest.mark.services
@pytest.mark.usefixtures("connections_of_their_own")
def test_a_case_that_is_just_being_left_out_is_not_sealed(meanwhile):
    study = builders.a_study(state=State.CHECKED, readers=[])
    case, by = study.cases.first(), study.owner
    sealed = Study.objects.get()
    errors = meanwhile(
        lambda: exclude_case(study=study, case=case, by=by, reason="odd"),
        lambda: seal_study(study=sealed, by=by),
    )
    assert errors == []
    assert [case["position"] for case in sealed.manifest["cases"]] == [3, 4]


@pytest.mark.services
@pytest.mark.usefixtures("connections_of_their_own")
def test_a_case_that_is_just_being_brought_back_has_its_images_fixed(meanwhile):
    study = builders.a_study(state=State.IMAGES, readers=[])
    exclude_case(study=study, case=study.cases.first(), by=study.owner, reason="odd")
    checked = Study.objects.get()
    errors = meanwhile(
        lambda: include_case(study=study, position=1, by=study.owner),
        lambda: mark_checked(study=checked, by=study.owner),
    )
    assert errors == []
    assert CaseImage.objects.filter(case_set__case__study=study).count() == 4 * 3 * 2


def test_a_set_whose_images_are_not_fixed_is_not_sealed(study):
    CaseImage.objects.filter(case_set=CaseSet.objects.first()).delete()
    with pytest.raises(StudyError, match=r"1 of 12 sets are not complete: .*\(0 of 2 images\)"):
        seal_study(study=study, by=study.owner)


def test_the_gallery_brings_a_case_back(client, study):
    client.force_login(study.owner)
    where = [study.slug, 1]
    gallery = reverse("analysis:gallery", args=[study.slug])
    out = {"reason": "no polyp in it"}
    page = client.post(reverse("annotation:case-exclude", args=where), out, follow=True)
    back = reverse("annotation:case-include", args=where)
    assert f'action="{back}"' in page.content.decode()
    page = client.post(back, follow=True).content.decode()
    assert "Brought back: cases 1 and 2." in page
    assert study.cases.count() == 4
    assert "Left out</h2>" not in client.get(gallery).content.decode()
    assert "No case 1 is left out" in client.post(back, follow=True).content.decode()


def test_the_last_pair_stays(study):
    exclude_case(study=study, case=study.cases.get(position=1), by=study.owner, reason="odd")
    with pytest.raises(StudyError, match="No case would be left"):
        exclude_case(study=study, case=study.cases.first(), by=study.owner, reason="odd")
    assert study.cases.count() == 2
    assert study.events.filter(act="leave out").count() == 2


@pytest.mark.parametrize("state", [State.DRAFT, State.SEALED, State.RUNNING, State.CLOSED])
def test_a_study_without_images_or_sealed_stays_as_it_is(alice, bob, state):
    study = builders.a_study(state=state, readers=["bob"])
    case = study.cases.first()
    with pytest.raises(StudyError, match="now: it is"):
        exclude_case(study=study, case=case, by=alice, reason="odd")
    if shown := case.sets.first():
        with pytest.raises(StudyError, match="now: it is"):
            sample_again(study=study, shown=shown, by=alice, reason="odd")
    assert study.cases.count() == 4


def test_a_reason_is_asked_for(study):
    with pytest.raises(StudyError, match="Say why"):
        exclude_case(study=study, case=study.cases.first(), by=study.owner, reason=" ")


def test_practice_stays_as_the_protocol_says(alice):
    protocol = builders.a_protocol(practice=1)
    study = builders.a_study(state=State.CHECKED, readers=[], protocol=protocol)
    practice = study.cases.get(practice=True)
    with pytest.raises(StudyError, match="practice case"):
        exclude_case(study=study, case=practice, by=alice, reason="odd")


def test_too_few_cases_for_the_checks_are_refused(alice):
    study = builders.a_study(
        state=State.CHECKED, readers=[], pairs=5, protocol=builders.a_protocol(checks=2)
    )
    exclude_case(study=study, case=study.cases.first(), by=alice, reason="odd")
    left = study.cases.count()
    with pytest.raises(StudyError, match="too few cases"):
        exclude_case(study=study, case=study.cases.first(), by=alice, reason="odd")
    assert study.cases.count() == left


def test_a_set_is_sampled_again_by_a_run_with_a_seed_of_its_own(study):
    shown = CaseSet.objects.filter(case__study=study).first()
    replaced = shown.image_set
    sample_again(study=study, shown=shown, by=study.owner, reason="blurred")
    shown.refresh_from_db()
    study.refresh_from_db()
    run = shown.image_set.run
    assert study.state == State.IMAGES  # to be looked at again
    assert (run.generator, run.images_per_set) == (replaced.run.generator, 2)
    assert run.seed not in (None, replaced.run.seed)
    assert run in study.runs()
    detail = study.events.get(act="sample again").detail
    assert detail["seed"] == run.seed
    assert detail["replaced_images"] == list(replaced.images.values_list("sha256", flat=True))
    with pytest.raises(StudyError, match="not complete"):
        mark_checked(study=study, by=study.owner)
    fill(run)
    mark_checked(study=study, by=study.owner)
    seal_study(study=study, by=study.owner)
    links = CaseImage.objects.filter(case_set=shown)
    assert [link.image.image_set for link in links] == [shown.image_set] * 2
    assert CaseImage.objects.filter(case_set__case__study=study).count() == 4 * 3 * 2
    assert replaced.images.count() == 2  # kept on record


def test_every_time_a_set_is_sampled_it_gets_another_seed(study):
    shown = CaseSet.objects.filter(case__study=study).first()
    seeds = set()
    for _ in range(3):
        sample_again(study=study, shown=shown, by=study.owner, reason="blurred")
        shown.refresh_from_db()
        seeds.add(shown.image_set.run.seed)
    assert len(seeds) == 3
    waiting = Run.objects.filter(status=Job.Status.QUEUED)
    assert [run.pk for run in waiting] == [shown.image_set.run_id]  # the others were called off


def test_imported_images_cannot_be_sampled(alice):
    study = builders.a_study(state=State.CHECKED, readers=[])
    generator = study.arms.first().generator
    type(generator).objects.filter(pk=generator.pk).update(family="imported")
    shown = CaseSet.objects.filter(arm__study=study, arm__generator=generator).first()
    with pytest.raises(StudyError, match="were not made here"):
        sample_again(study=study, shown=shown, by=alice, reason="odd")


def test_the_study_waits_for_a_set_that_is_sampled_again(client, study):
    client.force_login(study.owner)
    shown = CaseSet.objects.filter(case__study=study).first()
    where = [study.slug, shown.case.position, shown.arm.position]
    client.post(reverse("annotation:set-sample", args=where), {"reason": "blurred"})
    page = client.get(study.get_absolute_url()).content.decode()
    assert "22 of 24 images" in page
    assert "I have looked" not in page
    shown.refresh_from_db()
    fill(shown.image_set.run)
    assert "I have looked" in client.get(study.get_absolute_url()).content.decode()


# The preview


def preview(study, position=1, name="preview", *more):
    return reverse(f"annotation:{name}", args=[study.slug, position, *more])


def test_a_preview_shows_each_arm_once_behind_a_letter_and_keeps_nothing(client, study):
    client.force_login(study.owner)
    assert "These are real images" in client.get(preview(study)).content.decode()
    response = client.post(preview(study, 1, "preview-references"), follow=True)
    page = response.content.decode()
    assert "Preview: nothing is kept" in page
    assert re.findall(r'data-set="(.)"', page) == ["A", "B", "C"]
    tokens = set(re.findall(r'data-token="([^"]+)"', page))
    assert len(tokens) == 2 + 3 * 2
    for token in tokens:
        image = client.get(preview(study, 1, "preview-image", token))
        assert image["Content-Type"] == "image/jpeg"
    names = [arm.generator.name for arm in study.arms.all()]
    assert not any(name in page for name in names)
    answer = {"letter": "A", "criterion": "clinical_realism", "value": 5, "sequence": 1}
    for what in ("score", "ranking", "comment", "flag", "activity"):
        assert client.post(preview(study, 1, f"preview-{what}"), answer).json()["saved"]
    assert client.post(preview(study, 1, "preview-submit")).url == preview(study, 2)
    assert client.post(preview(study, 4, "preview-submit")).url.endswith("/gallery/")
    assert client.get(preview(study, 5)).status_code == 404
    for rows in (Score, Ranking, Reading):
        assert not rows.objects.exists()


def test_a_preview_finds_a_case_by_its_number(client, study):
    client.force_login(study.owner)
    for position in (1, 2, 3, 4):
        response = client.get(preview(study, position, "case-preview"), follow=True)
        prompt = study.cases.get(position=position).prompt.text
        assert f"“{prompt}”" in response.content.decode()


@pytest.mark.parametrize("who", ["bob", "victor", None])
def test_a_preview_is_for_who_runs_the_study(client, study, mallory, bob, who):
    if who:
        client.force_login(builders.a_user(who))
    for name in ("preview", "case-preview"):
        assert client.get(preview(study, 1, name)).status_code in (302, 403, 404)
    assert client.get(preview(study, 1, "preview-image", "x" * 22)).status_code != 200


def test_a_sealed_study_has_no_preview(client, alice, bob):
    study = builders.a_study(state=State.SEALED, readers=["bob"])
    client.force_login(alice)
    assert client.get(preview(study)).status_code == 404
