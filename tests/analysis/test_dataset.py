"""From rows to tidy frames."""

import pytest

from analysis.dataset import (
    METRIC_COLUMNS,
    RANKING_COLUMNS,
    REFERENCES,
    SCORE_COLUMNS,
    case_frame,
    metric_frame,
    ranking_frame,
    repeat_frame,
    score_frame,
)
from annotation.models import Reader
from annotation.readings import save_ranking, save_score
from tests.analysis.builders import a_rated_study, a_report, close, know_features
from tests.builders import a_protocol, a_reading, a_study, rate

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    return a_study(pairs=2)


def test_a_prompt_and_its_rephrasing_make_one_pair(study):
    frame = case_frame(study)
    assert len(frame) == 4
    assert sorted(frame["pair"]) == [1, 1, 2, 2]
    for case in study.cases.all():
        row = frame[frame["case"] == case.position].iloc[0]
        assert row["kind"] == ("rephrasing" if case.prompt.rephrasing_of else "original")
    assert set(frame.groupby("pair")["kind"].agg(set).map(len)) == {2}


def test_a_row_says_which_arm_stood_under_which_letter(study):
    reading = a_reading(study, position=3)
    shown = reading.sets.get(letter="B")
    save_score(reading=reading, letter="B", criterion="detectability", value=4, sequence=1)
    row = score_frame(study).iloc[0]
    assert tuple(score_frame(study).columns) == SCORE_COLUMNS
    assert (row["reader"], row["case"], row["letter"], row["position"], row["score"]) == (
        "R1", reading.case.position, "B", 3, 4,
    )  # fmt: skip
    assert row["arm"] == shown.case_set.arm.generator.name
    assert row["criterion"] == "detectability"


def test_only_the_newest_revision_counts_whatever_came_last(study):
    reading = a_reading(study)
    for value, sequence in ((3, 100), (8, 300), (5, 200)):
        save_score(
            reading=reading, letter="A", criterion="detectability", value=value, sequence=sequence
        )
    assert list(score_frame(study)["score"]) == [8]
    for tiers, sequence in (([["A"], ["B"], ["C"]], 300), ([["C"], ["B"], ["A"]], 200)):
        save_ranking(reading=reading, tiers=tiers, sequence=sequence)
    best = ranking_frame(study).set_index("rank")["arm"][1]
    assert best == reading.sets.get(letter="A").case_set.arm.generator.name


def test_readers_stand_there_by_pseudonym_only(study):
    rate(a_reading(study, "bob"))
    rate(a_reading(study, "carol"))
    assert set(score_frame(study)["reader"]) == {"R1", "R2"}
    assert "bob" not in score_frame(study).to_csv() + ranking_frame(study).to_csv()


def test_a_reader_whose_part_was_revoked_is_left_out(study):
    rate(a_reading(study, "bob"))
    rate(a_reading(study, "carol"))
    study.readers.filter(user__username="bob").update(state=Reader.State.REVOKED)
    assert set(score_frame(study)["reader"]) == {"R2"}
    assert set(ranking_frame(study)["reader"]) == {"R2"}


def test_not_applicable_is_a_row_without_a_score(study):
    rate(a_reading(study), score=lambda shown, key: None if key == "detectability" else 0)
    frame = score_frame(study)
    beside = frame[frame["not_applicable"]]
    assert set(beside["criterion"]) == {"detectability"}
    assert beside["score"].isna().all()
    assert set(frame.loc[~frame["not_applicable"], "score"]) == {0}


def test_what_was_scored_twice_is_marked_and_paired_with_its_first_time():
    study = a_rated_study(pairs=5, protocol=a_protocol(repeats=0.1), arms=2, closed=False)
    scores, rankings = score_frame(study), ranking_frame(study)
    for frame in (scores, rankings):
        assert set(frame["repeat"]) == {True, False}
        assert frame.loc[~frame["repeat"], "case"].nunique() == 10
    twice = repeat_frame(scores)
    assert len(twice) == 2 * scores["repeat"].sum() == 2 * 2 * 1 * 2 * 6
    key = ["reader", "case", "arm", "criterion"]
    assert set(twice.groupby(key)["repeat"].sum()) == {1}


def test_tied_sets_share_their_mean_rank_and_references_are_ranked_with_them():
    study = a_study(pairs=2, protocol=a_protocol(ties_allowed=True, rank_references=True))
    save_ranking(reading=a_reading(study), tiers=[["R"], ["A", "C"], ["B"]], sequence=1)
    frame = ranking_frame(study)
    assert tuple(frame.columns) == RANKING_COLUMNS
    assert list(frame["rank"]) == [1, 2.5, 2.5, 4]
    assert frame["arm"][0] == REFERENCES


def test_a_study_without_answers_gives_empty_frames_with_all_columns(study):
    assert tuple(score_frame(study).columns) == SCORE_COLUMNS
    assert tuple(ranking_frame(study).columns) == RANKING_COLUMNS
    assert score_frame(study).empty
    assert ranking_frame(study).empty


def test_metric_values_stand_at_their_case_or_at_none_for_a_whole_arm(study):
    close(study)
    know_features(study)
    frame = metric_frame(a_report(study))
    assert tuple(frame.columns) == METRIC_COLUMNS
    assert frame["value"].notna().all()
    agreement = frame[frame["metric"] == "agreement"]
    assert agreement["case"].notna().sum() == 2 * 3  # pairs by arms
    assert agreement["case"].isna().sum() == 3
    assert (frame[frame["metric"] == "energy"]["n"] == 2).sum() == 4 * 3


def test_another_studys_answers_stay_out(study):
    other = a_study(pairs=2, readers=("mallory",))
    rate(a_reading(other, "mallory"))
    assert score_frame(study).empty
    assert ranking_frame(study).empty
