"""From a number of a report to the rows that made it."""

import csv
import io
import re

import pytest
from django.urls import reverse

from analysis.export import csv_files
from tests.analysis.builders import a_rated_study, a_report, know_features
from tests.builders import a_protocol, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def report():
    study = a_rated_study(pairs=6, arms=2, protocol=a_protocol(repeats=0.25))
    know_features(study)
    return a_report(study)


@pytest.fixture
def alice(client):
    client.force_login(a_user("alice", researcher=True))
    return client


def test_every_mean_leads_to_as_many_rows_as_it_counts_and_they_have_that_mean(alice, report):
    page = alice.get(reverse("analysis:report", args=[report.study.slug])).content.decode()
    links = re.findall(r'href="([^"]*/rows/scores/\?arm[^"]*)"[^>]*>n=(\d+)<', page)
    means = report.results["means"]
    assert len(links) == len(means)
    for (link, n), mean in list(zip(links, means, strict=True))[::5]:
        response = alice.get(link.replace("&amp;", "&") + "&form=csv")
        rows = list(csv.DictReader(io.StringIO(response.content.decode())))
        assert len(rows) == int(n) == mean["n"]
        assert {(row["arm"], row["criterion"]) for row in rows} == {
            (mean["arm"], mean["criterion"])
        }
        assert sum(int(row["score"]) for row in rows) / len(rows) == pytest.approx(mean["value"])


def test_every_link_to_rows_and_every_table_can_be_opened(alice, report):
    page = alice.get(reverse("analysis:report", args=[report.study.slug])).content.decode()
    links = set(re.findall(r'href="([^"?]*/rows/[^"?]*)', page))
    assert len(links) > 10
    known = {reverse("analysis:report-rows", args=[report.pk, name]) for name in csv_files(report)}
    assert links <= known
    for link in known:
        response = alice.get(link)
        assert response.status_code == 200, link


def test_only_who_runs_the_study_gets_rows(client, report):
    address = reverse("analysis:report-rows", args=[report.pk, "scores"])
    a_user("erin", researcher=True)
    for who, status in (("alice", 200), ("erin", 404), ("bob", 404)):
        client.force_login(a_user(who))
        assert client.get(address).status_code == status
    client.logout()
    assert client.get(address).status_code == 302
    client.force_login(a_user("alice"))
    assert client.get(address.replace("scores", "nothing")).status_code == 404
