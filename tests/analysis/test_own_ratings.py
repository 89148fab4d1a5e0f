"""Ratings and metrics made elsewhere are analysed as a study's are."""

import json
from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from analysis.export import csv_files, zip_of
from analysis.models import OwnRatings, Report
from analysis.own.reports import create_own_report
from analysis.own.tables import Table
from analysis.reports import compute_report
from tests.analysis.builders import a_rated_study, a_report, know_features
from tests.analysis.own_tables import METRICS, RATINGS, SOME, metrics, ratings
from tests.builders import a_user


def performed(report):
    assert Report.objects.claim(report.pk, holder="test")
    report.refresh_from_db()
    compute_report(report)
    report.end(Report.Status.DONE)
    report.refresh_from_db()
    return report


@pytest.mark.django_db
class TestReports:
    def test_a_studys_own_tables_brought_again_give_its_numbers(self):
        study = a_rated_study(pairs=6, readers=("bob", "carol", "dave"))
        know_features(study)
        first = a_report(study)
        kept = {name: csv_files(first)[name]() for name in ("scores", "rankings", "metrics")}
        plan = [f"{row['metric']}:{row['criterion']}" for row in first.results["correlations"]
                if row["claim"]]  # fmt: skip
        again = performed(
            create_own_report(
                title="Again",
                by=study.owner,
                ratings=Table("scores.csv", kept["scores"]),
                rankings=Table("rankings.csv", kept["rankings"]),
                metrics=Table("metrics.csv", kept["metrics"]),
                claims=plan,
                resamples=1000,
            )
        )

        def numbers(results, key, *names):
            return {
                tuple(row[n] for n in names): [
                    None if row[n] is None else round(row[n], 9) for n in ("value", "low", "high")
                ]
                for row in results[key]
                if row["value"] is not None
            }

        for key, names in (
            ("means", ("criterion", "arm")), ("ranks", ("arm",)),
            ("correlations", ("metric", "criterion")),
            ("following", ("metric", "criterion")),
        ):  # fmt: skip
            assert numbers(again.results, key, *names) == numbers(first.results, key, *names), key
        icc = [report.results["readers"]["icc"] for report in (first, again)]
        by = [{row["criterion"]: row["single"] for row in rows} for rows in icc]
        assert by[0] == by[1]

    def test_the_report_says_only_what_is_known_of_ratings_that_were_brought(self, client):
        client.force_login(a_user("alice", researcher=True))
        values = [f"{c},{a},{m},{c % 3 + len(a)}" for c in range(8) for a in ("x", "yy")
                  for m in ("fidelity", "fbd")]  # fmt: skip
        values += [",x,whole,3", ",yy,whole,4"]
        brought = {"ratings": ratings(*SOME), "metrics": metrics(*values), "better": "lower"}
        alice = a_user("alice")

        def page_of(**more):
            report = create_own_report(title="T", by=alice, resamples=1000, **brought, **more)
            return client.get(performed(report).get_absolute_url()).content.decode()

        plain, claimed = page_of(), page_of(claims=["fidelity:real"])
        assert "No claim came with the tables" in plain
        assert "1 claim came with the tables. Nothing was sealed" in claimed
        assert "The claims that came with the tables; not sealed." in claimed
        for page in (plain, claimed):
            # Neither holes where a study has its floor, nor words of a study.
            assert "against <" not in page.replace("\n", "")
            assert "FBD at equal n" not in page
            assert "n=</small>" not in page
            for word in ("protocol asks", "was sealed in advance", "readings finished", "Figure 5"):
                assert word not in page
            assert "as far as scores reach; none is named" in page

    def test_what_was_to_be_scored_is_what_the_readings_had(self):
        lines = [f"{c},{a},R{c % 3},real,{c % 4}" for c in range(9) for a in ("x", "yy")]
        lines.remove("8,yy,R2,real,0")
        report = performed(
            create_own_report(title="T", by=None, ratings=ratings(*lines, "8,yy,R1,real,1"))
        )
        counts = report.results["counts"]
        # Nine readings of two arms, and R1's of one set more: R1 lacks x there, R2 yy.
        assert (counts["scores"], counts["scores_expected"]) == (18, 20)
        assert sum(row["missing"] for row in report.results["missing"]) == 2
        told = "counted as if each reader was to score every arm of a case they scored"
        assert told in report.results["said"]["missing"][0]
        assert any(f"2 missing of 20 scores would have been, {told}" in limit
                   for limit in report.results["limits"])  # fmt: skip

    def test_criteria_that_others_score_are_not_missing(self):
        style = [f"{case},x,R9,style,{case % 3}" for case in range(8)]
        lines = [*SOME, *style, "0,x,R1,style,2"]
        report = performed(create_own_report(title="T", by=None, ratings=ratings(*lines)))
        rows = report.results["missing"]
        # R1 scored style once: it lacks on the other seven cases, of the arm that R9 scored.
        assert [(r["criterion"], r["arm"], r["expected"], r["missing"]) for r in rows] == [
            ("real", "x", 16, 0), ("real", "yy", 16, 0),
            ("style", "x", 16, 7), ("style", "yy", 0, 0),
        ]  # fmt: skip
        assert report.results["counts"]["scores_expected"] == 48

    @pytest.mark.parametrize(
        ("pair", "units"),
        [
            ("p" * 2 + "." * 6, "7 units: 1 pair and 6 single cases, as the table names them"),
            ("ppqqrrs.", "5 units: 3 pairs and 2 single cases, as the table names them"),
            ("ppqqqrrr", "3 units: 3 pairs, as the table names them"),
            ("........", "each case by itself, since the table names no pair of them"),
        ],
    )
    def test_what_is_resampled_is_counted_as_pairs_and_single_cases(self, client, pair, units):
        lines = [f"{line},{pair[int(line[0])].strip('.')}" for line in SOME]
        table = Table("ratings.csv", "\n".join([RATINGS.strip() + ",pair", *lines]))
        report = performed(
            create_own_report(title="T", by=a_user("alice", researcher=True), ratings=table)
        )
        assert dict(report.results["design"])["Units that are resampled"] == units
        client.force_login(a_user("alice"))
        page = " ".join(client.get(report.get_absolute_url()).content.decode().split())
        number = units.partition(":")[0]
        assert (f"8 cases in {number} ·" in page) == (":" in units)

    def test_ties_everywhere_lead_nobody(self):
        tied = [",".join([*line.split(",")[:4], "3"]) for line in SOME]
        results = performed(create_own_report(title="T", by=None, ratings=ratings(*tied))).results
        assert results["sentences"][0].startswith(
            "No arm scored higher in real than x and yy: 3.00 on"
        )
        assert {row["used"] for row in results["habits"]} == {None}

    def test_scores_on_a_narrow_scale_keep_their_figures(self, client):
        lines = [f"{line.rpartition(',')[0]},{0.0005 * int(line[-1])}" for line in SOME]
        report = performed(
            create_own_report(
                title="T", by=a_user("alice", researcher=True), ratings=ratings(*lines)
            )
        )
        leader = report.results["leader"]
        assert leader["digits"] == 4
        assert f"{leader['mean']['value']:.4f} on average" in report.results["sentences"][0]
        client.force_login(a_user("alice"))
        page = client.get(report.get_absolute_url()).content.decode()
        assert "seen 0–0.002<" in page
        for cell in report.results["means"]:
            assert f"{cell['value']:.4f} <small>" in page
        for row in report.results["habits"]:
            assert f"{row['mean']:.4f}</td>" in page

    def test_words_of_a_study_do_not_stand_for_cases_without_prompts(self):
        few = [line for line in SOME if line[0] in "0123"]
        results = performed(create_own_report(title="T", by=None, ratings=ratings(*few))).results
        reasons = {mean["reason"] for mean in results["means"]}
        assert reasons == {"no interval: 4 pairs or single cases, 5 are needed"}
        assert "pairs of prompts" not in json.dumps(results)

    def test_what_needs_images_says_that_it_is_not_estimable_and_why(self):
        report = performed(create_own_report(title="T", by=None, ratings=ratings(*SOME)))
        reasons = {row["metric"]: row["reason"] for row in report.results["metrics"]}
        assert "only numbers were brought" in reasons["copying"]
        assert any("copied from training data" in limit for limit in report.results["limits"])
        assert zip_of(report) == zip_of(report)


class TestCommand:
    @pytest.mark.django_db(transaction=True)
    def test_real_ratings_end_to_end(self, shared_data, tmp_path):
        folder, out = shared_data / "ratings-tifa160", StringIO()
        call_command(
            "analyse", "--ratings", folder / "scores.csv", "--metrics", folder / "metrics.csv",
            "--better", "higher", "--resamples", 1000, "--json", tmp_path / "results.json",
            stdout=out,
        )  # fmt: skip
        results = json.loads((tmp_path / "results.json").read_text())
        assert (results["counts"]["cases"], results["counts"]["scores"]) == (160, 3995)
        rho = {row["metric"]: row["spearman"] for row in results["correlations"]}
        assert round(rho["clipscore_vitb32"]["value"], 3) == 0.276
        assert round(rho["tifa_mplug-large"]["value"], 3) == 0.608
        assert len(rho) == 10
        # Which metric follows readers best, tested against each other one.
        assert {row["metric"] for row in results["comparisons"]} == {"clipscore_vitb32"}
        assert len(results["comparisons"]) == 9
        assert (
            "clipscore_vitb32 ordered two arms of a case as readers did most often"
            in (results["sentences"][1])
        )
        suspicious = "4375840905 and 4375843592"
        assert any(suspicious in text for text in results["limits"])
        assert not OwnRatings.objects.exists()

    @pytest.mark.django_db
    def test_problems_end_it_with_all_of_them(self, tmp_path):
        file = tmp_path / "ratings.csv"
        file.write_text(RATINGS + "1,a,R1,real,x\n1,a,R2,real,y\n")
        with pytest.raises(CommandError) as refused:
            call_command("analyse", "--ratings", file)
        assert str(refused.value).count("not a number") == 2
        with pytest.raises(CommandError, match=r"none\.csv can't be read: No such file"):
            call_command("analyse", "--ratings", tmp_path / "none.csv")
        file.write_text(RATINGS + "".join(f"{i},a,R1,real,x\n" for i in range(1500)))
        with pytest.raises(CommandError) as refused:
            call_command("analyse", "--ratings", file)
        assert str(refused.value).endswith("\n… and 1,300 more.")

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            (("--seed", "-1"), "The seed is -1: choose a whole number from 0"),
            (("--seed", str(2**63)), "choose a whole number from 0"),
            (("--resamples", "0"), "0 resamples: choose 1,000 to 100,000"),
            (("--title", "x" * 161), "The title has 161 characters; 160 are the most"),
        ],
    )
    def test_options_that_cannot_be_are_refused_at_once(self, tmp_path, options, problem):
        file = tmp_path / "ratings.csv"
        file.write_text(RATINGS + "1,a,R1,real,3\n")
        with pytest.raises(CommandError, match=problem):
            call_command("analyse", "--ratings", file, *options)
        assert not OwnRatings.objects.exists()


def sent(**tables):
    return {
        "title": "Mine",
        **{kind: SimpleUploadedFile(f"{kind}.csv", text.encode()) for kind, text in tables.items()},
    }


@pytest.mark.django_db
class TestPages:
    @pytest.fixture
    def alice(self, client):
        client.force_login(a_user("alice", researcher=True))
        return client

    def test_uploading_leads_to_a_report_that_can_be_read_downloaded_and_deleted(self, alice):
        page = reverse("analysis:own-ratings")
        values = [f"{c},{a},mine,{c % 3 + len(a)}" for c in range(8) for a in ("x", "yy")]
        form = sent(ratings=RATINGS + "\n".join(SOME), metrics=METRICS + "\n".join(values))
        answer = alice.post(page, form | {"better": "higher", "claims": "mine:real"}, follow=True)
        assert "Waiting for a worker" in answer.content.decode()
        report = performed(Report.objects.get())
        text = alice.get(report.get_absolute_url()).content.decode()
        assert "What was found" in text
        assert "not BiomedCLIP" not in text
        for table in csv_files(report):
            address = reverse("analysis:report-download", args=[report.pk, table])
            answer = alice.get(address)
            assert answer.status_code == 200
            if table in form:
                assert answer.content.decode() == getattr(report.own, table)
        alice.post(reverse("analysis:own-delete", args=[report.own_id]))
        assert not Report.objects.exists()
        assert alice.get(page).status_code == 200

    def test_every_problem_stands_on_the_page_and_nothing_is_kept(self, alice):
        form = sent(ratings=RATINGS + "1,a,R1,real,x\n1,a,R2,real,y\n", metrics=METRICS)
        page = alice.post(reverse("analysis:own-ratings"), form).content.decode()
        assert page.count("not a number") == 2
        assert "metrics.csv has no rows below its header." in page
        assert not OwnRatings.objects.exists()
        binary = {"ratings": SimpleUploadedFile("x.csv", b"\xff\xfe\x00"), "title": "T"}
        assert (
            "is not UTF-8" in alice.post(reverse("analysis:own-ratings"), binary).content.decode()
        )

    def test_a_nul_byte_is_named_with_its_line(self, alice):
        form = sent(ratings=RATINGS + "1,a,R1,real,3\n1,\0b,R1,real,3\n")
        page = alice.post(reverse("analysis:own-ratings"), form).content.decode()
        assert "ratings.csv, line 3: holds a NUL byte" in page
        assert not OwnRatings.objects.exists()

    @pytest.mark.parametrize(("who", "status"), [("erin", 404), ("bob", 403)])
    def test_they_are_their_owners_alone(self, client, who, status):
        report = create_own_report(
            title="T", by=a_user("alice", researcher=True), ratings=ratings("1,a,R1,real,3")
        )
        client.force_login(a_user(who, researcher=status == 404))
        assert client.get(report.get_absolute_url()).status_code == status
        assert (
            client.post(reverse("analysis:own-delete", args=[report.own_id])).status_code == status
        )
        act = reverse("analysis:report-act", args=[report.pk, "cancel"])
        assert client.post(act).status_code == 404
        assert Report.objects.get().status == "queued"
