"""Reports from a study's images and answers to numbers, figures and sentences."""

import json

import numpy as np
import pytest

from analysis.embedding import embed_images
from analysis.images import StudyImages
from analysis.metrics.agreement import agreement
from analysis.metrics.embedders import load_embedder
from analysis.metrics.energy import energy_distance
from analysis.metrics.frechet import frechet_distance
from analysis.models import Embedding, Report
from analysis.reports import ReportError, create_report, perform_report
from analysis.sentences import findings
from annotation.models import Score, Study
from tests.analysis.builders import a_claimed_report, a_rated_study, a_report, close, know_features
from tests.builders import a_protocol, a_study

pytestmark = pytest.mark.django_db


def row(report, table, **which):
    rows = [
        r for r in report.results[table] if all(r[key] == value for key, value in which.items())
    ]
    assert len(rows) == 1, rows
    return rows[0]


class TestEndToEnd:
    def test_every_number_comes_from_the_images_and_the_answers(self):
        study = a_rated_study(arms=2)
        report = a_report(study)
        images = StudyImages.of(study)
        embedder = load_embedder("efficientnet-lite0")
        features = embed_images(images.all(), embedder=embedder)

        def stack(group):
            return np.stack([features[image.sha256] for image in group])

        arm, (pair, cases) = images.arms[1], next(iter(images.pairs.items()))
        sets = [stack(images.generated[case.pk, arm.pk]) for case in cases]
        real = stack(images.real[pair])
        value = report.metric_values.get
        assert value(metric="energy", arm=arm, case=cases[1]).value == pytest.approx(
            energy_distance(sets[1], real)
        )
        assert value(metric="agreement", arm=arm, case=cases[0]).value == pytest.approx(
            agreement(*sets)
        )
        everything = stack([i for c in images.cases for i in images.generated[c.pk, arm.pk]])
        pool = stack({i.sha256: i for r in images.real.values() for i in r}.values())
        assert value(metric="fbd", arm=arm, case=None).value == pytest.approx(
            frechet_distance(everything, pool)
        )
        distances = [
            [frechet_distance(stack(images.generated[c.pk, arm.pk]), stack(images.real[p]))
             for c in cs]
            for p, cs in images.pairs.items()
        ]  # fmt: skip
        paper = np.mean([1000 / (1 + np.mean(d)) for d in distances])
        assert value(metric="fidelity", arm=arm, case=None).value == pytest.approx(paper)
        assert row(report, "metrics", metric="fidelity", arm=str(arm))["value"] == pytest.approx(
            paper
        )
        assert report.status == "done"
        assert (report.done, report.total) == (len(images.all()), len(images.all()))

        # Again: nothing embedded anew, every number and every byte of the figures the same.
        known, figures = Embedding.objects.count(), dict(report.figures.values_list("name", "svg"))
        assert known == report.total
        again = a_report(study)
        assert Embedding.objects.count() == known
        assert again.results == report.results
        assert dict(again.figures.values_list("name", "svg")) == figures


def test_a_difference_between_arms_that_is_there_is_said_in_the_first_sentence():
    study = a_rated_study(pairs=6)
    know_features(study)
    report = a_report(study)
    best, second = list(study.arms.all())[::-1][:2]
    sentence = report.results["sentences"][0]
    assert sentence.startswith(f"{best} scored highest in clinical realism: ")
    assert f"more than {second} (" in sentence
    assert "95 % interval" in sentence
    fit = report.results["preference"][0]
    first = fit["over"][0]

    def beside(arm, other, *, low, **fields):
        """What is said of the rankings when ``arm`` was preferred to ``other``."""
        estimate = {"arm": str(arm), "other": str(other), "low": low, "high": 0.9}
        report.results["preference"] = [fit | fields | {"over": [first | estimate]}]
        return findings(report.results)[0]

    other_first = f"readers preferred {second} to {best} "
    assert f"). Side by side, readers preferred {best} to {second} " in beside(
        best, second, low=0.6
    )
    assert f" Their rankings put another first: side by side, {other_first}" in beside(
        second, best, low=0.6
    )
    unclear = f" Whether their rankings put another first isn't clear: side by side, {other_first}"
    assert unclear in beside(second, best, low=0.5)
    assert unclear in beside(second, best, low=None, reason="")
    # Of one generator and real images there is none that another could be put before.
    assert "Side by side" not in beside("Real images", best, low=0.6, real=True)
    assert "another first" not in beside("Real images", best, low=0.6, real=True)
    leader = report.results["leader"]
    leader["difference"] |= {"value": 0.0, "low": -0.1, "high": 0.1}
    alike = beside(second, best, low=0.6)
    assert alike.startswith(f"No arm scored higher in clinical realism than {best} and {second}:")
    assert f", both; difference 0.0, −0.1 to 0.1. Side by side, {other_first}" in alike


def test_arms_that_are_alike_are_not_told_apart():
    def score(shown, key, rng):
        # Noise that is the set's own: the plan, which is drawn anew each time, changes nothing.
        place = shown.case_set
        return round(5 + np.random.default_rng([place.case.position, place.arm.position]).normal())

    study = a_rated_study(pairs=6, score=score)
    know_features(study)
    assert "can't be told apart from" in a_report(study).results["sentences"][0]


def test_an_association_beyond_arm_and_prompt_is_found_and_named():
    """Readers see how far each set lies from the real images; so does the metric."""
    far = {}

    def quality(case_set):
        return far.setdefault(case_set.image_set_id, np.random.default_rng(len(far)).uniform(0, 1))

    def score(shown, key, rng):
        return round(9 - 8 * quality(shown.case_set) + 0.5 * rng.normal())

    study = a_rated_study(pairs=12, score=score)
    know_features(
        study,
        feature=lambda image, rng: (
            0.1 * rng.normal(size=8) + (5 * far[image.image_set_id] if image.image_set_id else 0)
        ),
    )
    report = a_report(study)
    claim = row(report, "correlations", metric="energy", criterion="clinical_realism")
    assert claim["value"] < -0.6
    assert claim["p"] <= claim["p_holm"] < 0.05
    assert claim["low"] < claim["value"] < claim["high"] < 0
    assert (
        "readers found sets nearer to the real images more realistic"
        in (report.results["sentences"][1])
    )


def test_only_the_three_claims_count_as_claims_and_all_else_is_adjusted_together():
    study = a_rated_study(pairs=6)
    know_features(study)
    rows = a_report(study).results["correlations"]
    assert [r["claim"] for r in rows] == [True] * 3 + [False] * (len(rows) - 3)
    assert all(r["p_bh"] is None and r["p_holm"] >= r["p"] for r in rows[:3])
    assert all(r["p_holm"] is None and r["p_bh"] >= r["p"] for r in rows[3:])
    cells = {(r["metric"], r["criterion"]) for r in rows}
    assert len(cells) == len(rows) == 5 * 6
    assert "frechet" not in {metric for metric, _ in cells}, "fidelity is a function of it"


EDGES = {
    "nobody rated": {"score": lambda shown, key, rng: None},
    "one reader": {"readers": ("bob",)},
    "one arm": {"arms": 1},
    "constant scores": {"score": lambda shown, key, rng: 5},
    "scores missing": {"score": lambda shown, key, rng: None if rng.random() < 0.3 else 5},
    "few pairs": {"pairs": 2},
    "no readers": {"readers": ()},
    "one image a set": {"protocol": {"images_per_set": 1, "references_per_case": 1}},
}
REASONS = {
    "nobody rated": "no scores",
    "one reader": "one reader: agreement needs at least two",
    "one arm": "one arm: nothing is left to compare",
    "constant scores": "the scores don't vary beyond prompt and arm",
    "scores missing": "scores would have been",
    "few pairs": "2 pairs or single cases",
    "no readers": "No score has been given",
    "one image a set": "needs at least 2 images, not 1",
}


@pytest.mark.parametrize("edge", EDGES)
def test_what_cannot_be_said_is_said_with_its_reason(edge):
    fields = dict(EDGES[edge])
    if "protocol" in fields:
        fields["protocol"] = a_protocol(**fields["protocol"])
    study = a_rated_study(**fields)
    know_features(study)
    report = a_report(study)
    text = json.dumps(report.results, allow_nan=False, ensure_ascii=False)
    assert REASONS[edge] in text
    assert "nan" not in "".join(figure.svg for figure in report.figures.all()).lower().split()
    assert len(report.results["sentences"]) == 3
    for estimate in report.results["means"] + report.results["metrics"]:
        assert (estimate["value"] is None) <= bool(estimate["reason"])


def test_a_prompt_without_its_rephrasing_has_no_agreement():
    study = a_rated_study(pairs=5)
    for case in study.cases.filter(prompt__rephrasing_of__isnull=False):
        case.readings.all().delete()
        case.delete()
    know_features(study)
    report = a_report(study)
    assert row(report, "correlations", metric="agreement", criterion="prompt_faithfulness")[
        "reason"
    ] == ("Some prompts have no rephrasing in the study.")
    assert row(report, "correlations", metric="energy", criterion="clinical_realism")["pairs"] == 5


def test_repeats_tell_the_readers_agreement_with_themselves_and_nothing_else():
    def score(shown, key, rng):
        return 0 if shown.reading.repeat else 3 + 2 * shown.case_set.arm.position

    study = a_rated_study(pairs=12, score=score, protocol=a_protocol(repeats=0.25))
    know_features(study)
    report = a_report(study)
    assert report.results["counts"]["readings"] == 2 * 24
    assert report.results["counts"]["scores"] == report.results["counts"]["scores_expected"]
    arm = report.results["arms"][0]
    assert row(report, "means", criterion="clinical_realism", arm=arm)["value"] == 5
    own = report.results["readers"]["self"]
    assert [r["n"] for r in own] == [2 * 6 * 3] * 6
    assert own[0]["value"] < 0.5
    icc = report.results["readers"]["icc"][0]["single"]
    assert icc["value"] == pytest.approx(1), "between readers only the first time counts"


def test_not_applicable_is_neither_0_nor_missing():
    def score(shown, key, rng):
        return 4

    study = a_rated_study(pairs=5, score=score)
    beside = Score.objects.filter(criterion="detectability", reading_set__letter="A")
    number = beside.update(value=None)
    know_features(study)
    report = a_report(study)
    counts = report.results["counts"]
    assert counts["scores_not_applicable"] == number == 2 * 10
    assert counts["scores"] + number == counts["scores_expected"]
    means = [row for row in report.results["means"] if row["criterion"] == "detectability"]
    assert {row["value"] for row in means} == {4}
    limits = " ".join(report.results["limits"])
    assert "What 20 scores would have been" in limits
    assert "missing of" not in limits


class TestAsking:
    def test_a_running_studys_results_stay_hidden(self):
        study = a_study(state=Study.State.RUNNING)
        with pytest.raises(ReportError, match="stay hidden until"):
            create_report(study=study, by=study.owner)
        assert not Report.objects.exists()

    def test_a_report_that_was_queued_does_not_run_once_results_are_hidden_again(self):
        study = a_study(state=Study.State.CLOSED)
        report = a_claimed_report(study)
        Study.objects.filter(pk=study.pk).update(state=Study.State.RUNNING)
        with pytest.raises(ReportError, match="hidden"):
            perform_report(Report.objects.get(pk=report.pk))

    def test_a_double_click_asks_once(self):
        study = a_study(state=Study.State.CLOSED)
        first, second = (create_report(study=study, by=study.owner) for _ in range(2))
        assert first == second
        assert first.total == len(StudyImages.of(study).all()) > 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"embedder": "inception"}, "there are: efficientnet-lite0"),
            ({"resamples": 10}, "10 resamples: choose 1,000 to 100,000"),
            ({"resamples": 0}, "0 resamples: choose"),
            ({"resamples": 10**6}, "1000000 resamples: choose"),
            ({"seed": -1}, "The seed is -1: choose a whole number from 0"),
            ({"seed": 2**63}, "choose a whole number from 0"),
        ],
    )
    def test_wrong_options_are_refused(self, options, message):
        study = a_study(state=Study.State.CLOSED)
        with pytest.raises(ReportError, match=message):
            create_report(study=study, by=study.owner, **options)


class TestGoingWrong:
    def test_a_file_that_was_changed_is_named_and_the_old_numbers_stay(self):
        study = a_rated_study(pairs=2)
        know_features(study)
        report = a_report(study)
        values = list(report.metric_values.values_list("pk", "value"))
        image = StudyImages.of(study).all()[0]
        Embedding.objects.filter(sha256=image.sha256).delete()
        with image.file.open("ab") as file:
            file.write(b"changed")
        report.retry()
        Report.objects.filter(pk=report.pk).update(status="running", holder="test")
        with pytest.raises(ReportError, match=f"image {image.pk} .* is not the one stored"):
            perform_report(Report.objects.get(pk=report.pk))
        assert list(report.metric_values.values_list("pk", "value")) == values

    def test_a_file_that_is_missing_is_named(self):
        study = a_study(state=Study.State.CLOSED)
        image = StudyImages.of(study).all()[0]
        image.file.storage.delete(image.file.name)
        report = a_claimed_report(study)
        with pytest.raises(ReportError, match=f"image {image.pk} .* can't be read"):
            perform_report(report)

    def test_a_cancelled_report_stops_and_leaves_no_numbers(self):
        study = a_rated_study(pairs=2)
        know_features(study)
        report = a_claimed_report(study)
        report.cancel()
        with pytest.raises(Report.Cancelled):
            perform_report(report)
        assert not report.metric_values.exists()

    def test_a_report_taken_over_by_another_worker_writes_nothing(self):
        study = a_rated_study(pairs=2)
        know_features(study)
        report = a_claimed_report(study)
        Report.objects.filter(pk=report.pk).update(holder="another")
        with pytest.raises(Report.Lost):
            perform_report(report)
        assert Report.objects.get(pk=report.pk).results == {}

    def test_biomedclip_out_of_reach_says_what_to_do(self, settings):
        settings.EMBEDDER_SOURCES = {"biomedclip": "local-dir:/nowhere"}
        study = a_study(state=Study.State.CLOSED)
        report = a_claimed_report(study, embedder="biomedclip")
        with pytest.raises(ReportError, match=r"/nowhere needs open_clip_config\.json"):
            perform_report(report)


def test_images_that_differ_in_size_from_real_ones_are_a_limit_that_is_named():
    study = a_rated_study(pairs=2, closed=False)
    for case in study.cases.all():
        case.references.update(width=640)
    close(study)
    know_features(study)
    limits = " ".join(a_report(study).results["limits"])
    assert "differ in size (640×16 against 16×16). Metrics may see just that." in limits
