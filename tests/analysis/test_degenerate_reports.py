"""Whatever the answers, page, PDF and ZIP say what can't be said: no traceback, no NaN."""

import io
import re
import zipfile

import pypdfium2
import pytest
from django.urls import reverse

from analysis.export import zip_of
from annotation.models import Ranking, Reading, Score
from tests.analysis.builders import a_rated_study, a_report, close, know_features
from tests.builders import a_protocol, a_user

pytestmark = pytest.mark.django_db


def tied(study):
    for ranking in Ranking.objects.all():
        ranking.tiers = [[letter for tier in ranking.tiers for letter in tier]]
        ranking.save()


def without_a_set(study):
    """One arm lacks a set in one case: its scores, its images, its place in the rankings."""
    study.cases.first().sets.last().links.all().delete()
    Score.objects.filter(reading_set__case_set=study.cases.first().sets.last()).delete()


def unfinished(study):
    Reading.objects.update(submitted_at=None)
    Score.objects.all().delete()
    Ranking.objects.all().delete()


EDGES = {
    "one reader": ({"readers": ("bob",)}, None, "agreement needs at least two"),
    "one arm": ({"arms": 1}, None, "one arm: nothing"),
    "a tie everywhere": ({"score": lambda *_: 5, "ties": True}, tied, "scores don’t vary"),
    "a constant score": ({"score": lambda *_: 0}, None, "scores don’t vary"),
    "a missing set": ({}, without_a_set, "Most are missing in"),
    "nobody finished": ({}, unfinished, "No score has been given"),
    "all not applicable": ({"na": True}, None, "No score has been given"),
    "no readers": ({"readers": ()}, None, "No score has been given"),
    "no plan": ({"plan": None}, None, "names no analysis in advance"),
}


def lacking(text):
    """What a reader must never see."""
    return re.findall(r"\b(?:nan|NaN|None|inf|Traceback)\b", text)


@pytest.mark.parametrize("edge", EDGES)
def test_page_pdf_and_zip_say_what_cannot_be_said(client, edge):
    fields, change, said = EDGES[edge]
    fields = dict(fields)
    protocol = a_protocol(
        ties_allowed=bool(fields.pop("ties", False)),
        **({"plan": fields.pop("plan")} if "plan" in fields else {}),
    )
    na = fields.pop("na", False)
    study = a_rated_study(closed=False, protocol=protocol, **fields)
    if na:
        Score.objects.update(value=None)
        Ranking.objects.all().delete()
    if change:
        change(study)
    close(study)
    know_features(study)
    report = a_report(study)

    client.force_login(a_user("alice"))
    page = client.get(reverse("analysis:report", args=[study.slug]))
    body = re.sub(r"<[^>]+>", " ", page.content.decode())
    assert page.status_code == 200
    assert not lacking(body)
    assert said.replace("’", "'") in re.sub(r"\s+", " ", body.replace("&#x27;", "'"))

    with zipfile.ZipFile(io.BytesIO(zip_of(report))) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    for name, content in files.items():
        if name.endswith((".csv", ".json")):
            cells = re.split(r'[,\r\n":\s]+', content.decode())
            assert not {"nan", "NaN", "None", "inf", "Infinity"} & set(cells), name
    with pypdfium2.PdfDocument(files["report.pdf"]) as document:
        text = " ".join(page.get_textpage().get_text_range() for page in document)
    assert len(text) > 5000
    assert not lacking(text)
