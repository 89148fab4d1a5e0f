"""Reports, answers and exports by the API: hidden until they may be seen."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from analysis.models import Export, OwnRatings, Report
from annotation.models import Study
from generation.jobs import perform
from generation.tokens import create_token
from tests import builders
from tests.analysis.builders import a_rated_study, a_report, know_features

pytestmark = pytest.mark.django_db
RATINGS = b"case,arm,reader,criterion,score\n1,A,R1,realism,5\n1,B,R1,realism,7\n"


@pytest.fixture
def alice():
    return builders.a_user("alice", researcher=True)


@pytest.fixture
def ask(client, alice):
    scopes = ["results:read", "results:write"]
    _, token = create_token(user=alice, name="Test", scopes=scopes, days=1)
    headers = {"authorization": f"Bearer {token}"}

    def send(method, address, body=None, **query):
        if method == "get":
            return client.get(f"/api/v1/{address}", query, headers=headers)
        return getattr(client, method)(
            f"/api/v1/{address}", body, "application/json", headers=headers
        )

    return send


@pytest.fixture
def reported(alice):
    study = a_rated_study(pairs=5)
    know_features(study)
    return a_report(study)


def test_results_are_hidden_while_the_study_runs(ask, alice):
    study = builders.a_study(pairs=1)
    report = Report.objects.create(study=study, embedder="x", created_by=alice)
    here = f"studies/{study.slug}"
    for method, address, body in [
        ("get", f"{here}/data/scores/", None),
        ("get", f"{here}/exports/", None),
        ("post", f"{here}/exports/", {}),
        ("post", "reports/", {"study": study.slug}),
        ("get", f"reports/{report.pk}/", None),
        ("get", f"reports/{report.pk}/results/", None),
    ]:
        answer = ask(method, address, body)
        assert answer.status_code == 403, address
        assert answer.json()["type"] == "urn:blindread:problem:blinded"
    assert ask("get", "reports/").json()["count"] == 0
    assert not Export.objects.exists()


def test_a_report_is_asked_for_once(ask, alice):
    study = builders.a_study(state=Study.State.CLOSED)
    first = ask("post", "reports/", {"study": study.slug, "resamples": 1000})
    second = ask("post", "reports/", {"study": study.slug, "resamples": 1000})
    assert first.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    assert ask("get", f"reports/{first.json()['id']}/results/").status_code == 409
    assert ask("post", "reports/", {"study": "nothing"}).json()["errors"][0]["field"] == "study"
    few = ask("post", "reports/", {"study": study.slug, "resamples": 10})
    assert few.json()["errors"][0]["field"] == "resamples"


def test_a_report_comes_as_numbers_tables_figures_zip_and_pdf(ask, reported):
    here = f"reports/{reported.pk}"
    assert ask("get", f"{here}/results/").json()["means"] == reported.results["means"]
    assert b"criterion,name,arm" in ask("get", f"{here}/tables/means/").content
    figure = ask("get", f"{here}/").json()["figures"][0]
    assert b"<svg" in ask("get", f"{here}/figures/{figure}/").content
    names = zipfile.ZipFile(io.BytesIO(ask("get", f"{here}/archive/").content)).namelist()
    assert "results.json" in names
    assert ask("get", f"{here}/pdf/").content.startswith(b"%PDF")
    assert "There are: means" in ask("get", f"{here}/tables/nothing/").json()["detail"]


def test_answers_come_as_csv_with_pseudonyms(ask, reported):
    text = ask("get", f"studies/{reported.study.slug}/data/scores/").content.decode()
    assert "R1" in text
    assert "bob" not in text


def test_an_export_is_made_by_a_worker_and_downloaded(ask, reported):
    here = f"studies/{reported.study.slug}/exports/"
    export = ask("post", here, {"images": False}).json()
    assert (export["status"], export["there"]) == ("queued", False)
    assert ask("get", f"{here}{export['id']}/file/").status_code == 409
    assert perform(Export, export["id"])
    export = ask("get", f"{here}{export['id']}/").json()
    assert (export["status"], export["there"]) == ("done", True), export
    content = b"".join(ask("get", f"{here}{export['id']}/file/").streaming_content)
    assert len(content) == export["size"]
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_ratings_made_elsewhere_are_brought_in(client, alice):
    client.force_login(alice)
    table = SimpleUploadedFile("mine.csv", RATINGS, content_type="text/csv")
    answer = client.post("/api/v1/ratings/", {"title": "Mine", "ratings": table})
    assert answer.status_code == 202, answer.json()
    own = OwnRatings.objects.get()
    assert client.get("/api/v1/ratings/").json()["results"][0]["reports"] == [answer.json()["id"]]
    bad = SimpleUploadedFile("mine.csv", RATINGS + b"1,A,R1,realism,x\n", content_type="text/csv")
    said = client.post("/api/v1/ratings/", {"title": "Mine", "ratings": bad}).json()
    assert said["status"] == 400
    assert any("line 4" in error["detail"] for error in said["errors"])
    assert client.delete(f"/api/v1/ratings/{own.pk}/").status_code == 204
