"""The sections of a report: preference, readers, metrics against readers, blinding."""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from django.db import transaction
from django.test import override_settings

from analysis import charts, section_words
from analysis.export import REPORT_TABLES, csv_text, zip_of
from analysis.models import Figure, Report
from analysis.statistics.correlation import table
from analysis.statistics.within_case import pairwise_accuracy
from analysis.tables import tables_of
from annotation.models import Arm, Comment, Flag, Guess, Ranking, Reading, ReadingSet
from tests.analysis.builders import a_rated_study, a_report, know_features
from tests.builders import a_protocol

pytestmark = pytest.mark.django_db  # run alone, the file has a database all the same
READERS = ("bob", "carol", "dave", "erin", "frank")


def quality(shown):
    """Real images are best, then later arms."""
    arm = shown.case_set.arm
    return 9 if arm.generator_id is None else 2 + 2 * arm.position


def a_study_with_everything():
    """Hidden real images, guesses and checks; R1 and R2 agree with each other beyond the rest."""
    shared = {}

    def score(shown, key, rng):
        reading = shown.reading
        if reading.kind == Reading.Kind.CHECK:
            lowest = (shown.letter == "A") != (reading.reader.number == 2)  # R2 does not look
            return 0 if lowest else 10
        own = rng.normal()
        if reading.reader.number <= 2:
            own = shared.setdefault((shown.case_set_id, key), own)
        seen = shared.setdefault((shown.case_set_id, key, "all"), rng.normal())
        return round(quality(shown) / 2 + seen + 1.2 * own)

    study = a_rated_study(
        pairs=7,  # with fewer there are too few exchanges for a p
        arms=2,
        readers=READERS,
        score=score,
        protocol=a_protocol(hidden_real=True, guess=True, checks=1),
    )
    for ranking in Ranking.objects.filter(reading__reader__study=study):
        order = sorted(ranking.reading.sets.all(), key=quality, reverse=True)
        if ranking.pk % 4 == 0:
            order[1:] = order[:0:-1]
        Ranking.objects.filter(pk=ranking.pk).update(tiers=[[s.letter] for s in order])
    for reader in study.readers.all():
        cases = ReadingSet.objects.filter(reading__reader=reader, reading__kind="case")
        for number, shown in enumerate(cases.select_related("case_set__arm")[:9]):
            real = "yes" if shown.case_set.arm.generator_id is None else "no"
            answer = Guess.UNSURE if number == 0 else real
            Guess.objects.create(reader=reader, reading_set=shown, question="real", answer=answer)
    first = Reading.objects.filter(reader__study=study, kind="case").first()
    Comment.objects.create(reading_set=first.sets.first(), text="Good.", sequence=1)
    for shown in first.shown_images.exclude(reading_set=None)[:2]:
        Flag.objects.create(shown_image=shown, reason="artefact", sequence=1)
    know_features(study)
    return study


@pytest.fixture(scope="module")
def everything(django_db_setup, django_db_blocker, tmp_path_factory):
    """Results, tables, ZIP and figures of one report, kept without its rows."""
    with (
        django_db_blocker.unblock(),
        override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("media")),
        transaction.atomic(),
    ):
        report = a_report(a_study_with_everything())
        kept = {
            "results": json.loads(json.dumps(report.results, allow_nan=False)),
            "tables": {name: csv_text(make(report)) for name, make in REPORT_TABLES.items()},
            "zips": [zip_of(report), zip_of(report)],
            "svg": dict(Figure.objects.values_list("name", "svg")),
        }
        transaction.set_rollback(True)
    return kept


@pytest.fixture
def results(everything):
    return everything["results"]


def rows(results, key, **which):
    return [r for r in results[key] if all(r[k] == value for k, value in which.items())]


class TestPreference:
    def test_it_is_given_among_generators_and_with_real_images(self, results):
        made, real = results["preference"]
        assert [w["arm"] for w in made["worths"]] == results["made"]
        assert [w["arm"] for w in real["worths"]] == [*results["made"], Arm.REAL]
        best = max(real["worths"], key=lambda worth: worth["value"])
        assert best["arm"] == Arm.REAL
        assert real["regularised"], "real images never lose"
        for fit in (made, real):
            assert sum(worth["value"] for worth in fit["worths"]) == pytest.approx(1)
            assert fit["over"][0]["value"] > 0.5, "the preferred arm comes first"

    def test_each_two_arms_are_tested_with_holm_within_a_criterion(self, results):
        of_rank = rows(results, "arm_differences", criterion="rank")
        assert len(of_rank) == 3
        assert all(row["p"] <= row["p_holm"] for row in of_rank)
        test = rows(results, "arm_tests", criterion="rank")[0]
        assert test["mean_ranks"][results["arms"].index(Arm.REAL)] == 1
        assert test["p"] < 0.05

    def test_it_is_said_in_words(self, results):
        made, real = results["said"]["preference"]
        assert made.startswith(f"Side by side, readers preferred {results['made'][-1]} to ")
        assert "95 % interval" in made
        assert real.startswith(f"With real images among them, readers preferred {Arm.REAL} to ")

    def test_each_arm_over_another_is_one_less_the_other_way_round(self, results):
        _, grid = tables_of(results)["preference"][1]
        for i, row in enumerate(grid):
            assert row["over"][i] is None
            for j in range(i):
                forth, back = row["over"][j], grid[j]["over"][i]
                assert forth["value"] + back["value"] == pytest.approx(1)
                assert forth["low"] + back["high"] == pytest.approx(1)


class TestReaders:
    def test_krippendorffs_alpha_stands_beside_icc(self, results):
        for row in results["readers"]["icc"]:
            assert row["alpha"]["low"] < row["alpha"]["value"] < row["alpha"]["high"]
            assert row["alpha"]["n"] == 5 * row["single"]["n"]

    def test_two_who_agree_beyond_the_rest_are_named_and_no_others(self, results):
        found = {(r["first"], r["second"]) for r in rows(results, "reader_pairs", suspicious=True)}
        assert found == {("R1", "R2")}
        said = " ".join(results["said"]["readers"])
        assert "R1 and R2 agree more with each other than" in said

    def test_a_failed_attention_check_is_counted_and_said(self, results):
        passed = {row["reader"]: row["checks_passed"] for row in results["attention"]}
        assert passed == {"R1": 1, "R2": 0, "R3": 1, "R4": 1, "R5": 1}
        assert "R2 passed 0 of 1 attention checks." in results["said"]["readers"]

    def test_comments_and_flags_are_counted_by_reader_and_arm(self, results):
        assert sum(row["comments"] for row in results["attention"]) == 1
        assert sum(row["flags"] for row in results["attention"]) == 2
        assert sum(row["flags"] for row in results["flags"]) == 2

    def test_severity_and_order_have_intervals(self, results):
        assert len(results["habits"]) == 5 * 6
        assert all(row["severity"]["low"] is not None for row in results["habits"])
        assert {row["order"] for row in results["orders"]} == {"place", "position"}
        assert all(row["low"] is not None for row in results["orders"])


class TestAgainstReaders:
    def test_real_images_are_among_the_scores_and_in_no_correlation(self, results):
        assert Arm.REAL in {row["arm"] for row in results["means"]}
        assert results["leader"]["arm"] in results["made"]
        assert "; real images " in results["sentences"][0]
        assert all(points["arms"] == results["made"] for points in results["residuals"])
        assert rows(results, "correlations", metric="energy")[0]["n"] == 14 * 2

    def test_every_metric_with_a_direction_has_its_accuracy_within_the_case(self, results):
        for row in results["following"]:
            assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
            assert -1 <= row["tau"]["value"] <= 1
        assert {row["level"] for row in results["following"]} == {"case", "set", "pair"}

    def test_the_best_metric_is_compared_with_each_other_that_has_a_value_a_case(self, results):
        found = rows(results, "comparisons", criterion="clinical_realism")
        own = rows(results, "following", criterion="clinical_realism")
        best = max((r for r in own if r["level"] != "pair"), key=lambda row: row["value"])
        assert {row["metric"] for row in found} == {best["metric"]}
        assert len(found) == len([r for r in own if r["level"] != "pair"]) - 1
        assert all(row["p_holm"] >= row["p"] for row in found)
        said = results["said"]["following"][0]
        # Agreement has one value a pair of prompts: it isn't among those compared.
        assert f"of the metrics with a value for each case, {best['metric_name']} ordered" in said


def test_readers_who_know_real_images_broke_the_blinding(results):
    whole = rows(results, "blinding", question="real", arm="all")[0]
    assert (whole["readers"], whole["right"], whole["wrong"], whole["unsure"]) == (5, 40, 0, 5)
    assert whole["value"] == pytest.approx(8 / 9)
    assert any("blinding did not hold" in said for said in results["said"]["blinding"])


class TestFiles:
    def test_a_zip_has_the_same_bytes_every_time_and_sums_that_hold(self, everything):
        first, second = everything["zips"]
        assert first == second
        with zipfile.ZipFile(io.BytesIO(first)) as archive:
            sums = dict(
                line.split("  ")[::-1] for line in archive.read("SHA256SUMS").decode().splitlines()
            )
            assert set(sums) == set(archive.namelist()) - {"SHA256SUMS"}
            for name, digest in sums.items():
                assert hashlib.sha256(archive.read(name)).hexdigest() == digest, name

    def test_every_figure_is_drawn_from_the_results_alone(self, everything, results):
        assert set(everything["svg"]) == {
            "scores", "metrics", "preference", "following", "tiers"
        }  # fmt: skip
        for name, svg in everything["svg"].items():
            assert charts.draw(name, results).decode() == svg, name

    def test_every_list_of_the_results_is_a_table_with_as_many_rows(self, everything, results):
        for name, key in (
            ("arm-differences", "arm_differences"), ("following", "following"),
            ("comparisons", "comparisons"), ("habits", "habits"), ("orders", "orders"),
            ("reader-pairs", "reader_pairs"), ("readers", "attention"), ("blinding", "blinding"),
        ):  # fmt: skip
            lines = everything["tables"][name].splitlines()
            assert len(lines) == 1 + len(results[key]) > 1, name


# What reports held before they had these sections.
OLD = (
    "arms", "criteria", "counts", "means", "leader", "ranks", "metrics", "floor", "correlations",
    "readers", "image_differences", "sentences", "limits", "provenance",
)  # fmt: skip


def test_a_report_from_before_these_sections_still_has_its_tables(results):
    old = Report(results={key: results[key] for key in OLD})
    tables = tables_of(old.results)
    assert tables["claims"]
    assert not tables["following_rows"]
    assert charts.names(old.results) == ["scores"]
    for name, make in REPORT_TABLES.items():
        if name != "metrics":  # of the database
            assert csv_text(make(old)), name


def test_nothing_to_say_is_said_with_its_reason():
    fit = {"real": False, "reason": "no rankings", "over": [], "rankings": 0}
    results = {
        "preference": [fit], "following": [], "comparisons": [], "leader": None,
        "reader_pairs": [], "attention": [], "orders": [], "blinding": None, "metric_findings": [],
        "missing": [], "assigned": True, "flags": [],
        "counts": {"readings": 0, "readings_submitted": 0},
    }  # fmt: skip
    said = section_words.by_section(results)
    assert said["preference"] == ["Which set readers prefer can't be told: no rankings."]
    assert "can't be told: no metric has values beside scores." in said["following"][0]


def following_of(values, scores):
    """What is said of a metric with these values of two arms in each case."""
    cases, arms = np.indices(scores.shape)
    tidy = {"case": cases.ravel(), "pair": cases.ravel() // 2, "kind": "original"}
    tidy["arm"] = [f"arm{a}" for a in arms.ravel()]
    joined = table(
        pd.DataFrame(tidy | {"reader": "R1", "value": scores.ravel()}),
        pd.DataFrame(tidy | {"value": values.ravel()}),
        arms=["arm0", "arm1"],
        resamples=400,
    )
    found = pairwise_accuracy(joined, resamples=400)
    row = {"name": "Realism", "metric": "own", "metric_name": "own", "level": "set"}
    row |= asdict(found.accuracy) | {"ties": found.ties}
    results = {"leader": {"name": "Realism"}, "following": [row], "comparisons": []}
    return row, section_words.following(results)[0]


def test_noise_that_calls_most_arms_tied_as_readers_do_may_be_chance():
    rng = np.random.default_rng(3)
    scores = np.zeros((80, 2))
    scores[:16, 0] = 1  # readers tie 80 % of the cases
    row, said = following_of(rng.normal(size=scores.shape), rng.permutation(scores))
    assert row["low"] > 0.6, "far above half"
    assert "which may be chance" in said
    row, said = following_of(scores, scores)
    assert row["value"] == 1
    assert "chance" not in said


@pytest.mark.parametrize(
    ("ties", "low", "hedged"),
    [(0, 0.49, True), (0, 0.51, False), (0.3, 0.36, False), (0.3, 0.34, True), (0.8, 0.79, True)],
)
def test_chance_is_the_better_of_calling_all_tied_and_guessing(ties, low, hedged):
    row = {
        "name": "Realism", "metric": "own", "metric_name": "own", "level": "set", "ties": ties,
        "value": 0.9, "low": low, "high": 0.95, "reason": "",
    }  # fmt: skip
    results = {"leader": {"name": "Realism"}, "following": [row], "comparisons": []}
    assert ("which may be chance" in section_words.following(results)[0]) == hedged
