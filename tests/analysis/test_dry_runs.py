"""Dry runs: a copy that is never mistaken for the study, filled as people fill it."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from analysis import dry_runs
from analysis.dry_runs import DryRunError, create_dry_run, delete_dry_run
from analysis.models import DryRun, Report
from analysis.simulated_readers import PROFILES
from analysis.takeout import TakeoutError
from analysis.takeout.jobs import create_export
from annotation.errors import StudyError
from annotation.models import Reading, Score, Study
from annotation.readings import attentive, reading_state
from generation.jobs import perform
from generation.models import Image
from tests import builders

pytestmark = pytest.mark.django_db
State = Study.State


@pytest.fixture
def study():
    return builders.a_study(state=State.CHECKED, readers=["bob"], pairs=3)


def asked(study, **changes):
    given = {"readers": {"expert": 2, "biased": 1}, "effects": {2: 2.0}, "seed": 5}
    return create_dry_run(study=study, by=study.owner, **{**given, **changes})


def done(dry_run):
    assert perform(DryRun, dry_run.pk)
    dry_run.refresh_from_db()
    assert dry_run.status == DryRun.Status.DONE, dry_run.error
    return dry_run.copy


def test_the_copy_is_filled_and_closed_and_its_report_is_asked_for(study):
    copy = done(asked(study))
    assert copy.title == "Simulated: Polyps"
    assert (copy.simulated, copy.state) == (True, State.CLOSED)
    readings = Reading.objects.filter(reader__study=copy)
    assert readings.count() == 3 * 6
    assert not readings.filter(submitted_at=None).exists()
    assert Score.objects.filter(reading_set__reading__in=readings).count() == 18 * 3 * 6
    assert Report.objects.get().study == copy
    study.refresh_from_db()
    assert (study.state, study.simulated) == (State.CHECKED, False)
    assert not Reading.objects.filter(reader__study=study).exists()
    assert study.events.filter(act="dry run").count() == 1


def test_the_copy_shows_the_same_images_in_the_same_cases(study):
    copy = done(asked(study))

    def shown(of):
        return [
            (case.position, case.prompt_id, one.arm.position, [i.pk for i in one.images()])
            for case in of.cases.all()
            for one in case.sets.order_by("arm__position")
        ]

    assert shown(copy) == shown(study)
    assert copy.secret != study.secret


def test_the_same_seed_gives_the_same_answers_under_other_letters(study):
    def answers(copy):
        rows = Score.objects.filter(reading_set__reading__reader__study=copy)
        return sorted(
            rows.values_list(
                "reading_set__reading__reader__number",
                "reading_set__case_set__case__position",
                "reading_set__case_set__arm__position",
                "criterion",
                "value",
            )
        )

    one, two = done(asked(study)), done(asked(study))
    assert one != two
    assert answers(one) == answers(two)


def test_an_interrupted_dry_run_goes_on_where_it_was(study):
    dry_run = asked(study)
    assert DryRun.objects.claim(dry_run.pk, holder="one that dies")
    dry_run.refresh_from_db()
    copy = dry_runs._opened(dry_run, study.owner)
    simulation = dry_runs._simulation(dry_run, copy)
    for reading in copy.readers.get(number=1).readings.all()[:4]:
        dry_runs._answer(reading, simulation, PROFILES["expert"])
    answered = list(Score.objects.values_list("pk", "value"))
    dry_run.held().requeue()
    assert done(DryRun.objects.get()) == copy
    scores = Score.objects.filter(reading_set__reading__reader__study=copy)
    assert scores.count() == 18 * 3 * 6
    assert list(scores.order_by("pk").values_list("pk", "value"))[: len(answered)] == answered


def test_a_worker_that_lost_its_dry_run_leaves_no_copy(study):
    dry_run = asked(study)
    assert DryRun.objects.claim(dry_run.pk, holder="one that sleeps")
    dry_run.refresh_from_db()
    DryRun.objects.update(holder="another")
    with pytest.raises(DryRun.Lost):
        dry_runs._opened(dry_run, study.owner)
    assert not Study.objects.filter(simulated=True).exists()


def test_a_protocol_with_everything_is_answered_whole():
    protocol = builders.a_protocol(
        checks=1, practice=1, repeats=0.25, consent="Agree?", consent_version="1", hidden_real=True
    )
    study = builders.a_study(state=State.IMAGES, readers=[], pairs=5, protocol=protocol)
    copy = done(asked(study, readers={"expert": 1}))
    kinds = set(Reading.objects.filter(reader__study=copy).values_list("kind", flat=True))
    assert kinds == {"practice", "case", "repeat", "check"}
    reader = copy.readers.get()
    assert reader.consented_at
    assert attentive(reader.readings.get(kind="check"))
    for reading in reader.readings.all():
        assert reading_state(reading)["missing"] == []


def test_nobody_can_sign_in_as_a_simulated_reader(client, study):
    done(asked(study))
    simulated = User.objects.filter(username__startswith="simulated-reader")
    assert simulated.count() == 3
    for user in simulated:
        assert not user.has_usable_password()
        answer = {"username": user.username, "password": user.password}
        assert client.post(reverse("login"), answer).status_code == 200
        assert "_auth_user_id" not in client.session


def test_an_account_of_that_name_is_left_alone(study):
    builders.a_user("simulated-reader-1")
    dry_run = asked(study)
    perform(DryRun, dry_run.pk)
    dry_run.refresh_from_db()
    assert "is somebody's" in dry_run.error
    assert not Study.objects.filter(simulated=True).exists()


def test_incomplete_images_are_said(study):
    Study.objects.filter(pk=study.pk).update(state=State.IMAGES)
    shown = study.arms.first().sets.first()
    shown.links.all().delete()
    Image.objects.filter(image_set=shown.image_set).first().delete()
    dry_run = asked(study)
    perform(DryRun, dry_run.pk)
    dry_run.refresh_from_db()
    assert "1 of 18 sets are not complete" in dry_run.error


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"readers": {"wizard": 1}}, "No profile wizard"),
        ({"readers": {"expert": 0}}, "1 to 30 readers"),
        ({"readers": {"expert": 31}}, "1 to 30 readers"),
        ({"effects": {9: 1.0}}, "no arm 9"),
        ({"effects": {1: 6.0}}, "5 points at most"),
        ({"seed": -1}, "whole number"),
    ],
)
def test_what_cannot_be_is_refused(study, changes, said):
    with pytest.raises(DryRunError, match=said):
        asked(study, **changes)
    assert not DryRun.objects.exists()


@pytest.mark.parametrize("state", [State.DRAFT, State.RUNNING, State.CLOSED])
def test_an_open_study_has_no_dry_run(state):
    study = builders.a_study(state=state)
    with pytest.raises(StudyError, match="not open yet"):
        asked(study)


def test_a_deleted_dry_run_leaves_nothing_but_its_record(study):
    dry_run = asked(study)
    with pytest.raises(DryRunError, match="under way"):
        delete_dry_run(dry_run=dry_run, by=study.owner)
    done(dry_run)
    images = Image.objects.count()
    delete_dry_run(dry_run=dry_run, by=study.owner)
    assert list(Study.objects.all()) == [study]
    assert not DryRun.objects.exists()
    assert not Score.objects.exists()
    assert Image.objects.count() == images
    assert [event.act for event in study.events.order_by("-pk")[:2]] == [
        "delete dry run",
        "dry run",
    ]


# Pages


def page(study, client, name="dry-runs", *arguments):
    return client.get(reverse(f"analysis:{name}", args=[study.slug, *arguments]))


def test_the_page_asks_for_a_dry_run_and_leads_to_its_report(client, study):
    client.force_login(study.owner)
    form = {"readers-expert": 1, "readers-noisy": 0, "readers-lazy": 0, "readers-biased": 0}
    form |= {"effect-1": 0, "effect-2": 1.5, "effect-3": 0, "seed": 1}
    address = reverse("analysis:dry-runs", args=[study.slug])
    assert client.post(address, form).status_code == 302
    dry_run = DryRun.objects.get()
    assert dry_run.effects == {"1": 0, "2": 1.5, "3": 0}
    copy = done(dry_run)
    body = page(study, client).content.decode()
    report = reverse("analysis:report", args=[copy.slug])
    assert report in body
    assert "Simulated readers: nobody gave these answers" in client.get(report).content.decode()
    assert "Simulated readers: nobody" not in body


def test_a_form_that_cannot_be_says_where(client, study):
    client.force_login(study.owner)
    address = reverse("analysis:dry-runs", args=[study.slug])
    body = client.post(address, {"readers-expert": 99, "seed": "x"}).content.decode()
    assert "less than or equal to 30" in body
    assert "Enter a whole number" in body
    form = {f"readers-{p}": 0 for p in ("expert", "noisy", "lazy", "biased")}
    form |= {"effect-1": 0, "effect-2": 0, "effect-3": 0, "seed": 1}
    assert "1 to 30 readers" in client.post(address, form).content.decode()


@pytest.mark.parametrize("arm", ["01", "1.0", "0", "²", "12345678901", ""])
def test_programs_name_arms_by_their_positions_as_they_are(client, study, arm):
    client.force_login(study.owner)
    sent = {"readers": {"expert": 1}, "effects": {"1": 2.0, arm: 1.0}}
    address = f"/api/v1/studies/{study.slug}/dry-runs/"
    answer = client.post(address, sent, "application/json")
    assert answer.status_code == 400
    assert f"“{arm}” is no position of an arm" in answer.json()["detail"]
    assert not DryRun.objects.exists()


def test_copies_stand_in_no_list_of_studies(client, study):
    done(asked(study))
    client.force_login(study.owner)
    for name in ("annotation:study-list", "annotation:study-new", "annotation:protocol-list"):
        assert "Simulated" not in client.get(reverse(name)).content.decode()


def test_a_copy_is_not_exported_to_where_nobody_knows_what_it_is(study):
    with pytest.raises(TakeoutError, match="simulated readers"):
        create_export(study=done(asked(study)), by=study.owner)


@pytest.mark.parametrize(("who", "status"), [("victor", 404), ("bob", 403), (None, 302)])
def test_a_dry_run_is_for_those_who_run_the_study(client, study, who, status):
    builders.a_user("victor", researcher=True)
    dry_run = asked(study)
    if who:
        client.force_login(builders.a_user(who))
    assert page(study, client).status_code == status
    act = reverse("analysis:dry-run-act", args=[study.slug, dry_run.pk, "cancel"])
    assert client.post(act).status_code == status
    dry_run.refresh_from_db()
    assert dry_run.status == DryRun.Status.QUEUED
