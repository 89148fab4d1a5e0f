"""The study's page: it says what to do next in every state, and its buttons do it."""

import html
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.models import CaseSet, Study
from annotation.views.next_steps import STEPS
from generation.jobs import perform_next
from generation.models import Run
from generation.templatetags.durations import duration, per_minute
from tests import builders

pytestmark = pytest.mark.django_db
State = Study.State
HTMX = {"HX-Request": "true"}


@pytest.fixture
def researcher(client, alice):
    client.force_login(alice)
    return client


def text_of(response):
    """What a person reads: tags away, white space single."""
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


def page(client, study):
    return text_of(client.get(study.get_absolute_url()))


def post(client, name, study, *arguments, **data):
    """The page that a person sees after pressing a button."""
    address = reverse(f"annotation:{name}", args=[study.slug, *arguments])
    return text_of(client.post(address, data, follow=True))


def sample(study):
    """What workers leave once they are through with the study's runs."""
    for arm in study.arms.select_related("run"):
        for image_set in arm.run.image_sets.all():
            for index in range(arm.run.images_per_set):
                builders.an_image(image_set=image_set, index=index)
        arm.run.image_sets.update(completed_at=timezone.now())
        Run.objects.filter(pk=arm.run.pk).update(status="done", done=arm.run.total)


def under_way(run, *, since=timedelta(0), **fields):
    now = timezone.now()
    fields = {"status": "running", "heartbeat_at": now, "holder": "h/1/1", **fields}
    run.chunks.update(started_at=now - since, **fields)
    Run.objects.filter(pk=run.pk).update(started_at=now - since)
    run.sum_up()


def test_the_buttons_lead_from_the_draft_to_the_unblinded_study(researcher, bob):
    study = builders.a_draft()
    assert "Ask the generators for the images" in page(researcher, study)
    assert "The generators are at work" in post(researcher, "study-act", study, "generate")
    sample(study)
    assert "24 of 24 images" in page(researcher, study)
    assert "Seal the study" in post(researcher, "study-act", study, "check")
    assert "once one reader has accepted" in post(researcher, "study-act", study, "seal")
    text = post(researcher, "study-readers", study, username="bob")
    assert "bob reads this study as R1." in text
    assert "Open the study to its readers" in text
    assert "The study is being opened" in post(researcher, "study-act", study, "open")
    perform_next(["cpu"])
    assert "0 of 1 readers are done" in page(researcher, study)
    for reading in builders.Reading.objects.filter(reader__study=study):
        builders.rate(reading)
    assert "All readers are done." in page(researcher, study)
    assert "Compute and read the report" in post(researcher, "study-act", study, "close")
    text = post(researcher, "study-act", study, "unblind", reason="The figures are final.")
    assert "unblinded the study: “The figures are final.”" in text
    study.refresh_from_db()
    assert study.state == State.UNBLINDED


@pytest.mark.parametrize(
    ("state", "act", "problem"),
    [
        (State.DRAFT, "seal", "Can't seal “Polyps” now: it is draft, and must be checked."),
        (State.SEALED, "open", "others can join later."),
        (State.RUNNING, "generate", "Can't generate “Polyps” now"),
        (State.RUNNING, "unblind", "Say why the study is unblinded"),
        (State.CLOSED, "close", "Can't close “Polyps” now"),
    ],
)
def test_a_step_that_cannot_be_taken_says_why_on_the_page(researcher, state, act, problem):
    study = builders.a_study(state=state, readers=())
    assert problem in post(researcher, "study-act", study, act)
    study.refresh_from_db()
    assert study.state == state


def test_an_act_that_does_not_exist_is_not_found(researcher):
    study = builders.a_draft()
    address = reverse("annotation:study-act", args=[study.slug, "delete"])
    assert researcher.post(address).status_code == 404


def test_what_cannot_be_undone_is_asked_once_more(researcher):
    for state, button in ((State.CHECKED, "Seal study"), (State.RUNNING, "Close study")):
        study = builders.a_study(state=state)
        body = researcher.get(study.get_absolute_url()).content.decode()
        dialog = body[body.index('<dialog id="confirm"') :]
        assert f"{button}?" in dialog
        assert body.count('<button class="btn btn-primary" type="submit">' + button) == 1


def test_the_present_step_is_marked_and_every_state_has_one(researcher):
    assert [step.state for step in STEPS] == list(State)
    study = builders.a_study(state=State.CHECKED)
    body = researcher.get(study.get_absolute_url()).content.decode()
    present = re.findall(r'aria-current="step">\s*(\w+)', body)
    assert present == ["Checked"]


class TestImagesUnderWay:
    @pytest.fixture
    def study(self, researcher):
        study = builders.a_draft()
        post(researcher, "study-act", study, "generate")
        return study

    def test_progress_is_a_fragment_with_rate_and_time_left(self, researcher, study):
        run = study.arms.first().run
        under_way(run, done=2, since=timedelta(seconds=60))
        for index in range(2):
            builders.an_image(image_set=run.image_sets.first(), index=index)
        response = researcher.get(study.get_absolute_url(), headers=HTMX)
        assert "<html" not in response.content.decode()
        assert "2 of 8 · 2 a minute · about 3 min left" in text_of(response)
        assert "waiting for a worker" in text_of(response)
        assert 'hx-trigger="every 2s"' in response.content.decode()

    def test_the_page_is_loaded_anew_when_the_work_is_over(self, researcher, study):
        sample(study)
        response = researcher.get(study.get_absolute_url(), headers=HTMX)
        assert response.headers["HX-Refresh"] == "true"
        assert "hx-trigger" not in researcher.get(study.get_absolute_url()).content.decode()

    def test_a_run_is_cancelled_and_tried_again(self, researcher, study):
        run = study.arms.first().run
        assert "cancelled" in post(researcher, "study-run", study, run.pk, "cancel")
        run.refresh_from_db()
        assert run.status == "cancelled"
        assert "waiting for a worker" in post(researcher, "study-run", study, run.pk, "retry")
        run.refresh_from_db()
        assert run.status == "queued"
        address = reverse("annotation:study-run", args=[study.slug, run.pk, "delete"])
        assert researcher.post(address).status_code == 404

    def test_a_running_run_stops_after_its_batch(self, researcher, study):
        run = study.arms.first().run
        under_way(run)
        assert "stopping after this batch" in post(researcher, "study-run", study, run.pk, "cancel")

    def test_a_failed_run_says_why_and_the_images_cannot_be_confirmed(self, researcher, study):
        sample(study)
        run = study.arms.first().run
        CaseSet.objects.filter(image_set__run=run).first().image_set.images.first().delete()
        Run.objects.filter(pk=run.pk).update(status="failed", done=7, error="The disk is full.")
        text = page(researcher, study)
        assert "Images are missing." in text
        assert "The disk is full." in text
        assert "23 of 24 images" in text
        assert "I have looked" not in text
        assert "1 of 12 sets are not complete" in post(researcher, "study-act", study, "check")


class TestReaders:
    def test_an_unknown_account_is_to_be_invited(self, researcher):
        study = builders.a_draft()
        text = post(researcher, "study-readers", study, username="dave")
        assert "There is no account “dave”" in text
        assert "Invite them instead" in text

    def test_the_owner_is_refused_as_a_reader(self, researcher):
        study = builders.a_draft()
        text = post(researcher, "study-readers", study, username="alice")
        assert "owns this study" in text
        assert "Nobody reads this study yet" in text

    def test_the_table_says_how_far_each_is(self, researcher, running_study):
        builders.rate(builders.a_reading(running_study, "carol"))
        text = page(researcher, running_study)
        assert "R1 bob invited 0 of 4" in text
        assert "R2 carol reading 1 of 4" in text
        assert "0 of 2 readers are done" in text

    def test_a_reader_s_part_is_ended_with_a_reason_and_stays_in_the_table(
        self, researcher, running_study
    ):
        address = reverse("annotation:study-revoke", args=[running_study.slug, 1])
        assert "Say why" in text_of(researcher.post(address, follow=True))
        text = text_of(researcher.post(address, {"reason": "On leave."}, follow=True))
        assert "Reader R1 Ended" in text
        assert "Place 1 of the plan is free" in text
        assert "End part" not in text
        text = page(researcher, running_study)
        assert "R1 bob ended" in text
        assert "ended the part of reader R1: “On leave.”" in text
        missing = reverse("annotation:study-revoke", args=[running_study.slug, 9])
        assert researcher.post(missing, {"reason": "x"}).status_code == 404

    def test_the_balance_counts_every_arm_once_in_every_reading(self, researcher, running_study):
        body = researcher.get(running_study.get_absolute_url()).content.decode()
        table = body[body.index("Balance of the plan") :]
        table = table[: table.index("</table>")]
        rows = [
            [int(n) for n in re.findall(r'"figures">(\d+)<', row)]
            for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]
        ]
        assert [sum(row) for row in rows] == [8, 8, 8]  # 2 readers × 4 cases
        assert [sum(column) for column in zip(*rows, strict=True)] == [8, 8, 8]


def test_scores_stay_out_of_the_page_while_the_study_runs(researcher, running_study):
    for reading in builders.Reading.objects.filter(reader__study=running_study):
        builders.rate(reading)
    body = researcher.get(running_study.get_absolute_url()).content.decode()
    assert reverse("analysis:report", args=[running_study.slug]) not in body
    assert "Report and data" not in body


def test_the_report_is_offered_once_results_may_be_seen(researcher):
    study = builders.a_study(state=State.CLOSED)
    body = researcher.get(study.get_absolute_url()).content.decode()
    assert reverse("analysis:report", args=[study.slug]) in body


def test_phantoms_are_called_phantoms_on_every_page_of_the_study(researcher):
    phantom = builders.a_study(state=State.IMAGES, readers=(), phantom=True)
    real = builders.a_study(state=State.IMAGES, readers=())
    for name in ("annotation:study", "analysis:gallery"):
        for study, said in ((phantom, True), (real, False)):
            address = reverse(name, args=[study.slug])
            assert ("not from patients" in text_of(researcher.get(address))) == said


def test_the_page_asks_the_database_no_more_for_more_cases(
    researcher, django_assert_max_num_queries
):
    study = builders.a_study(pairs=6, arms=4, readers=("bob", "carol", "dan", "eve"))
    with django_assert_max_num_queries(28):
        researcher.get(study.get_absolute_url())


class TestList:
    def test_each_study_says_where_it_stands_and_what_it_waits_for(self, researcher, running_study):
        builders.rate(builders.a_reading(running_study))
        builders.a_draft(title="Later")
        text = text_of(researcher.get(reverse("annotation:study-list")))
        assert "Polyps Running 4 1 of 8 Wait for the readers" in text
        assert "Later Draft 4 none yet Generate the images" in text
        assert text.index("Later") < text.index("Polyps")

    def test_without_a_study_the_list_tells_how_to_make_one(self, researcher):
        text = text_of(researcher.get(reverse("annotation:study-list")))
        assert "From nothing to a running study" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (40, "40 s"), (51, "1 min"), (61, "2 min"), (3600, "1 h"), (7260, "2 h 1 min")],
)
def test_a_duration_reads_as_people_say_it(seconds, words):
    assert duration(seconds) == words


def test_a_rate_has_two_figures():
    assert [per_minute(n / 60) for n in (0.424, 7.46, 130.2)] == ["0.42", "7.5", "130"]
