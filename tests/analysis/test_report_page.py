"""The report's page, its figures and downloads, and who may have them."""

import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from analysis.models import Report
from annotation.models import Study
from tests.analysis.builders import a_claimed_report, a_rated_study, a_report, know_features
from tests.builders import a_protocol, a_study, a_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
SINGLE = a_protocol(ranking=False, presentation="single", hidden_real=True, guess=True)
NEW = (
    "preference", "arm_tests", "arm_differences", "following", "comparisons", "residuals",
    "habits", "orders", "reader_pairs", "attention", "flags", "blinding", "said", "made",
    "missing", "departures", "plan", "design", "planned", "alpha", "primary", "models",
    "generators", "tiers",
)  # fmt: skip


def page_of(study):
    return reverse("analysis:report", args=[study.slug])


def text_of(response):
    """What a person reads: tags away, white space single."""
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


@pytest.fixture
def alice(client):
    client.force_login(a_user("alice", researcher=True))
    return client


@pytest.fixture
def study():
    return a_study(state=Study.State.CLOSED)


@pytest.fixture
def reported():
    study = a_rated_study(pairs=5)
    know_features(study)
    return a_report(study)


class TestAccess:
    @pytest.fixture
    def addresses(self, reported):
        slug, pk = reported.study.slug, reported.pk
        return [
            reverse("analysis:report", args=[slug]),
            reverse("analysis:report-figure", args=[pk, "scores"]),
            reverse("analysis:report-download", args=[pk, "means"]),
            reverse("analysis:report-archive", args=[pk]),
            reverse("analysis:study-data", args=[slug, "scores"]),
        ]

    def test_only_the_studys_owner_sees_anything(self, client, addresses):
        a_user("erin", researcher=True)
        a_study(readers=("mallory",), owner=a_user("erin"))
        for who, status in (
            ("alice", 200), ("erin", 404), ("bob", 404), ("mallory", 404), (None, 302),
        ):  # fmt: skip
            if who:
                client.force_login(a_user(who))
            else:
                client.logout()
            assert [client.get(address).status_code for address in addresses] == [status] * 5, who

    @pytest.mark.parametrize(("who", "status"), [("alice", 302), ("erin", 404), ("bob", 404)])
    def test_only_the_studys_owner_acts_on_its_report(self, client, reported, who, status):
        client.force_login(a_user(who, researcher=who != "bob"))
        Report.objects.update(status=Report.Status.FAILED)
        answer = client.post(reverse("analysis:report-act", args=[reported.pk, "retry"]))
        assert answer.status_code == status
        assert Report.objects.get().status == ("queued" if status == 302 else "failed")

    def test_while_results_are_hidden_nothing_by_arm_can_be_had(self, alice, reported):
        study = reported.study
        Study.objects.filter(pk=study.pk).update(state=Study.State.RUNNING)
        response = alice.get(page_of(study))
        assert "Results are hidden" in text_of(response)
        names = [str(arm) for arm in study.arms.all()]
        assert not any(name in text_of(response) for name in names)
        for address in (
            reverse("analysis:report-figure", args=[reported.pk, "scores"]),
            reverse("analysis:report-download", args=[reported.pk, "means"]),
            reverse("analysis:report-archive", args=[reported.pk]),
            reverse("analysis:study-data", args=[study.slug, "scores"]),
        ):
            assert alice.get(address).status_code == 403
        alice.post(page_of(study))
        assert Report.objects.count() == 1

    def test_a_recorded_unblinding_shows_them_before_the_study_closes(self, alice, reported):
        Study.objects.filter(pk=reported.study.pk).update(
            state=Study.State.RUNNING, unblinded_at=timezone.now()
        )
        assert "What was found" in text_of(alice.get(page_of(reported.study)))


class TestStates:
    def test_without_a_report_the_page_says_what_one_is_and_offers_it(self, alice, study):
        text = text_of(alice.get(page_of(study)))
        assert "No report yet" in text
        assert "Compute report" in text

    def test_asking_queues_one_report_for_the_chosen_embedder(self, alice, study):
        for _ in range(2):
            response = alice.post(page_of(study), {"embedder": "biomedclip"}, follow=True)
        report = Report.objects.get()
        assert (report.embedder, report.created_by) == ("biomedclip", study.owner)
        assert "Waiting for a worker" in text_of(response)
        assert "Compute report" not in text_of(response)

    def test_an_unknown_embedder_is_answered_in_words(self, alice, study):
        response = alice.post(page_of(study), {"embedder": "inception"}, follow=True)
        assert "No embedder “inception”" in text_of(response)

    def test_progress_is_a_fragment_that_reloads_the_page_at_the_end(self, alice, study):
        report = a_claimed_report(study)
        report.beat(done=3, message="Embedding images")
        fragment = alice.get(page_of(study), headers=HTMX)
        assert f"3 of {report.total} images · Embedding images" in text_of(fragment)
        assert "<html" not in fragment.content.decode()
        report.end(Report.Status.DONE)
        assert alice.get(page_of(study), headers=HTMX).headers["HX-Refresh"] == "true"

    def test_a_report_can_be_cancelled_and_tried_again(self, alice, study):
        report = a_claimed_report(study)
        Report.objects.filter(pk=report.pk).update(status="queued")
        act = ["analysis:report-act", [report.pk]]
        alice.post(reverse(act[0], args=[*act[1], "cancel"]))
        assert "The report was cancelled" in text_of(alice.get(page_of(study)))
        alice.post(reverse(act[0], args=[*act[1], "retry"]))
        assert Report.objects.get().status == "queued"
        assert alice.post(reverse(act[0], args=[*act[1], "delete"])).status_code == 404

    def test_a_failed_report_says_why_and_leaves_the_older_one_on_the_page(self, alice, reported):
        study = reported.study
        failed = a_claimed_report(study, seed=2)
        failed.end(Report.Status.FAILED, error="The file of image 7 can't be read.")
        text = text_of(alice.get(page_of(study)))
        assert "could not be computed The file of image 7 can't be read." in text
        assert "Try again" in text
        assert reported.results["sentences"][0] in text


class TestContent:
    def test_the_page_holds_the_sentences_the_limits_and_every_mean(self, alice, reported):
        response = alice.get(page_of(reported.study))
        text = text_of(response)
        for sentence in reported.results["sentences"] + reported.results["limits"]:
            assert sentence in text
        for mean in reported.results["means"]:
            assert f"{mean['value']:.2f} ({mean['low']:.2f} to {mean['high']:.2f})" in text
        for name in ("Fidelity", "Agreement", "Diversity", "FBD", "Energy distance"):
            assert name in text
        assert "biased, n=2 against 2" in text
        assert "Real against real" in text
        assert reported.results["provenance"]["fingerprint"] in text
        assert "nan" not in text.lower().split()
        assert "None" not in text

    def test_a_figure_is_an_svg_without_a_date(self, alice, reported):
        for name in ("scores", "metrics"):
            response = alice.get(reverse("analysis:report-figure", args=[reported.pk, name]))
            assert response["Content-Type"] == "image/svg+xml"
            assert b"<svg" in response.content
            assert b"<dc:date>" not in response.content

    def test_downloads_are_files_named_after_study_and_table(self, alice, reported):
        response = alice.get(reverse("analysis:study-data", args=[reported.study.slug, "scores"]))
        assert response["Content-Disposition"] == (
            f'attachment; filename="{reported.study.slug}-scores.csv"'
        )
        assert len(response.content.splitlines()) == 1 + reported.results["counts"]["scores"]
        for table in ("nothing", "means"):
            address = reverse("analysis:study-data", args=[reported.study.slug, table])
            assert alice.get(address).status_code == 404

    def test_a_report_from_before_its_newer_sections_is_shown_without_them(self, alice, reported):
        for key in NEW:
            del reported.results[key]
        for row in reported.results["correlations"]:
            del row["p_bh"]
        reported.save()
        reported.figures.filter(name__in=["preference", "following", "tiers"]).delete()
        text = text_of(alice.get(page_of(reported.study)))
        assert reported.results["sentences"][1] in text
        assert "Metrics against readers" in text
        assert "Which metric follows" not in text
        archive = reverse("analysis:report-archive", args=[reported.pk])
        assert alice.get(archive).content[:2] == b"PK"

    def test_phantoms_are_called_phantoms(self, alice):
        study = a_rated_study(pairs=2, phantom=True)
        know_features(study)
        a_report(study)
        assert "drawn by a computer, not from patients" in text_of(alice.get(page_of(study)))

    @pytest.mark.parametrize(
        "fields",
        [
            {"score": lambda shown, key, rng: None},
            {"readers": ("bob",), "arms": 1},
            {"readers": ()},
            {"arms": 8, "pairs": 2},
            {"protocol": SINGLE, "pairs": 2},
        ],
    )
    def test_a_page_with_little_or_much_to_say_still_says_it(self, alice, fields):
        study = a_rated_study(**fields)
        know_features(study)
        a_report(study)
        response = alice.get(page_of(study))
        assert response.status_code == 200
        assert "not estimable" in text_of(response) or "can't be told" in text_of(response)
        assert "None" not in text_of(response)
