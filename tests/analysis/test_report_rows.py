"""From a number of a report to the rows that made it."""

import csv
import io
import re

import pytest
from django.urls import reverse

from analysis.export import cell_texts, csv_files, csv_text, report_frames
from analysis.own.reports import create_own_report
from analysis.own.tables import Table
from tests.analysis.builders import a_rated_study, a_report, know_features
from tests.analysis.test_own_ratings import performed
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


FORMULAS = ("=base", "+LoRA", "-1")


def an_own_report():
    """Names like formulas; repeats, scores not applicable, and spaces that are no part of names."""
    rows = [
        [case, arm, reader, criterion, "n/a" if case == 2 else (case + len(reader)) % 5, "no"]
        for case in range(6)
        for arm in FORMULAS
        for reader in ("@R1", "+R2x")
        for criterion in ("=real", "+f & g")
    ]
    rows += [[case, arm, "@R1", "=real", 4, "yes"] for case in range(3) for arm in FORMULAS]
    lines = ["case,arm , reader,criterion,score,repeat"]
    lines += [",".join(f" {cell}" for cell in row) for row in rows]
    ranks = [f"{c},{a},@R1,{i}" for c in range(6) for i, a in enumerate(FORMULAS)]
    values = [f"{c},{a},{m},{i + c}" for c in range(6) for i, a in enumerate(FORMULAS)
              for m in ("+clip", "-fid")]  # fmt: skip
    return performed(
        create_own_report(
            title="Formulas",
            by=a_user("alice", researcher=True),
            ratings=Table("ratings.csv", "\n".join(lines)),
            rankings=Table("rankings.csv", "\n".join(["case,arm,reader,rank", *ranks])),
            metrics=Table("metrics.csv", "\n".join(["case,arm,metric,value", *values])),
            better="higher",
            claims=["+clip:=real"],
            resamples=1000,
        )
    )


def test_of_own_ratings_too_n_leads_to_the_rows_that_made_the_number(client):
    report = an_own_report()
    client.force_login(a_user("alice"))
    page = client.get(report.get_absolute_url()).content.decode()
    links = re.findall(r'href="([^"]*/rows/\w+/\?arm[^"]*)"[^>]*>n=(\d+)<', page)
    cells = [*report.results["means"], *report.results["ranks"]]
    assert len(links) == len(cells) == 2 * 3 + 3
    for (link, n), cell in zip(links, cells, strict=True):
        response = client.get(link.replace("&amp;", "&") + "&form=csv")
        rows = list(csv.DictReader(io.StringIO(response.content.decode())))
        column = "score" if "criterion" in cell else "rank"
        assert len(rows) == int(n) == cell["n"]
        # Harmless in the file, true on the page.
        assert {row["arm"] for row in rows} == {"'" + cell["arm"]}
        assert sum(float(row[column]) for row in rows) / len(rows) == pytest.approx(cell["value"])
        shown = client.get(link.replace("&amp;", "&")).content.decode()
        assert f"<td>{cell['arm']}</td>" in shown


def test_names_like_formulas_come_back_from_the_tables_that_were_written(client):
    report = an_own_report()
    assert set(report_frames(report)["arms"]()["metric"]) >= {"+clip", "-fid"}
    frames = report_frames(report)
    texts = {kind: csv_text(frames[kind]()) for kind in ("ratings", "rankings", "metrics")}
    assert ",'+LoRA," in texts["ratings"]
    again = performed(
        create_own_report(
            title="Again",
            by=None,
            **{kind: Table(f"{kind}.csv", text) for kind, text in texts.items()},
            better="higher",
            claims=["+clip:=real"],
            resamples=1000,
        )
    )
    for key in ("means", "ranks", "correlations"):
        assert again.results[key] == report.results[key]


def test_only_what_is_asked_about_and_shown_is_written_as_text(alice, report, monkeypatch):
    written = []

    def counted(frame):
        written.append(frame.shape)
        return cell_texts(frame)

    monkeypatch.setattr("analysis.export.cell_texts", counted)
    monkeypatch.setattr("analysis.row_views.MOST_ROWS", 3)
    frame = report_frames(report)["scores"]()
    address = reverse("analysis:report-rows", args=[report.pk, "scores"])
    asked = {"criterion": "clinical_realism", "repeat": "False"}
    page = alice.get(address, asked).content.decode()
    assert written == [(len(frame), 1), (len(frame), 1), (3, frame.shape[1])]
    count = int(((frame["criterion"] == "clinical_realism") & ~frame["repeat"]).sum())
    assert f"{count} of {len(frame)} rows" in page


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
