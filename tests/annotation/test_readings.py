import time
from collections import Counter
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.errors import AnswerError
from annotation.models import Ranking, Reader, Reading, Score, ShownImage, Study
from annotation.plans import plan_reader
from annotation.readers import add_reader
from annotation.readings import (
    finish_reading,
    reading_state,
    reading_states,
    save_ranking,
    save_score,
    see_references,
    submit_reading,
)
from annotation.studies import close_study
from tests.at_once import at_once
from tests.builders import a_protocol, a_reading, a_study, a_user, rate

pytestmark = pytest.mark.django_db


@pytest.fixture
def reading(running_study):
    return a_reading(running_study)


def give(reading, letter="A", criterion="clinical_realism", value=7, sequence=1000):
    return save_score(
        reading=reading, letter=letter, criterion=criterion, value=value, sequence=sequence
    )


# The plan


def test_a_plan_shows_every_case_with_all_its_sets_and_references_once(running_study):
    for reader in running_study.readers.all():
        readings = reader.readings.all()
        assert [reading.position for reading in readings] == [1, 2, 3, 4]
        assert {reading.case for reading in readings} == set(running_study.cases.all())
        for reading in readings:
            assert [shown.letter for shown in reading.sets.all()] == ["A", "B", "C"]
            arms = {shown.case_set.arm for shown in reading.sets.all()}
            assert arms == set(running_study.arms.all())
            references = reading.shown_images.filter(reading_set=None)
            assert {shown.image for shown in references} == set(reading.case.references.all())
            for reading_set in reading.sets.all():
                images = reading_set.case_set.image_set.images.all()
                assert reading_set.case_set.case == reading.case
                assert {shown.image for shown in reading_set.shown_images.all()} == set(images)
                assert [shown.position for shown in reading_set.shown_images.all()] == [1, 2]


def test_the_stored_letters_are_balanced_within_and_across_readers():
    study = a_study(pairs=3, readers=["bob", "carol", "dora"])
    for sets in [*(r.readings.all() for r in study.readers.all())]:
        counts = Counter(
            (shown.letter, shown.case_set.arm_id)
            for reading in sets
            for shown in reading.sets.all()
        )
        assert set(counts.values()) == {2}
    for case in study.cases.all():
        counts = Counter(
            (shown.letter, shown.case_set.arm_id)
            for reading in case.readings.all()
            for shown in reading.sets.all()
        )
        assert set(counts.values()) == {1}


def test_tokens_are_opaque_and_differ_for_the_same_image_in_each_reading(running_study):
    shown = ShownImage.objects.filter(reading__reader__study=running_study)
    assert shown.count() == 2 * 4 * (3 * 2 + 2)
    tokens = set(shown.values_list("token", flat=True))
    assert len(tokens) == shown.count()
    assert {len(token) for token in tokens} == {22}


def test_each_reading_has_an_order_of_images_of_its_own():
    protocol = a_protocol(images_per_set=8)
    study = a_study(pairs=1, arms=1, protocol=protocol)
    orders = {
        tuple(shown.image.index for shown in reading_set.shown_images.all())
        for reading in Reading.objects.filter(reader__study=study)
        for reading_set in reading.sets.all()
    }
    assert len(orders) == 4


def test_planning_again_changes_nothing(running_study):
    before = set(ShownImage.objects.values_list("pk", "token"))
    for reader in running_study.readers.all():
        plan_reader(reader)
    assert set(ShownImage.objects.values_list("pk", "token")) == before


def test_a_repeat_is_a_reading_of_its_own_under_other_tokens_and_letters():
    study = a_study(pairs=5, protocol=a_protocol(repeats=0.2))
    reader = study.readers.first()
    assert reader.readings.count() == 12
    assert reader.readings.filter(kind="repeat").count() == 2
    for again in reader.readings.filter(kind="repeat"):
        first = reader.readings.get(case=again.case, kind="case")
        assert again.position - first.position > 6
        tokens = [set(r.shown_images.values_list("token", flat=True)) for r in (first, again)]
        assert not tokens[0] & tokens[1]
        letters = [set(r.sets.values_list("letter", "case_set")) for r in (first, again)]
        assert not letters[0] & letters[1]
        rate(first)
        assert reading_state(again)["missing"], "answers of the first time are not the second's"


# Scores


def test_a_score_is_saved_and_starts_the_reading_and_the_reader(reading):
    assert give(reading).value == 7
    reading.refresh_from_db()
    assert reading.started_at
    assert reading.reader.state == Reader.State.ACTIVE
    assert reading_state(reading)["scores"] == {"A": {"clinical_realism": 7}, "B": {}, "C": {}}


def test_not_applicable_is_an_answer_kept_apart_from_0(reading):
    give(reading, criterion="detectability", value=None)
    state = reading_state(reading)
    assert state["scores"]["A"] == {"detectability": "na"}
    assert "5 scores missing in set A" in state["missing"]
    with pytest.raises(AnswerError, match="from 0 to 10, not “not applicable”"):
        give(reading, criterion="clinical_realism", value=None)
    with pytest.raises(AnswerError, match="or “not applicable”, not 11"):
        give(reading, criterion="detectability", value=11, sequence=2000)
    give(reading, criterion="detectability", value=0, sequence=3000)
    assert reading_state(reading)["scores"]["A"] == {"detectability": 0}


def test_a_replay_returns_the_row_that_is_there(reading):
    assert give(reading) == give(reading)
    assert Score.objects.count() == 1


def test_a_change_is_a_revision_and_the_newest_counts(reading):
    give(reading, value=7, sequence=1000)
    newest = give(reading, value=3, sequence=2000)
    assert [score.value for score in Score.objects.order_by("sequence")] == [7, 3]
    assert list(Score.objects.current()) == [newest]


def test_a_late_save_is_kept_but_doesn_t_overwrite_a_newer_one(reading):
    newest = give(reading, value=3, sequence=2000)
    late = give(reading, value=7, sequence=1000)
    assert Score.objects.filter(pk=late.pk).exists()
    assert list(Score.objects.current()) == [newest]
    state = reading_state(reading)
    assert state["scores"]["A"] == {"clinical_realism": 3}
    assert state["sequence"] == 2000


def test_two_values_at_the_same_moment_are_not_mixed_up(reading):
    give(reading, value=7)
    with pytest.raises(AnswerError, match="answer again"):
        give(reading, value=8)
    assert Score.objects.get().value == 7


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"value": 11}, "Clinical realism takes a whole number from 0 to 10, not 11"),
        ({"value": -1}, "from 0 to 10"),
        ({"value": 5.0}, "whole number"),
        ({"value": "5"}, "whole number"),
        ({"value": True}, "whole number"),
        ({"value": None}, "whole number"),
        ({"letter": "D"}, "no set D"),
        ({"letter": "R"}, "no set R"),
        ({"letter": ""}, "no set"),
        ({"criterion": "beauty"}, "no criterion “beauty”"),
        ({"sequence": 0}, "above 0"),
        ({"sequence": "1"}, "above 0"),
        ({"sequence": 10**30}, "future"),
    ],
)
def test_a_score_that_can_t_be_is_refused(reading, answer, words):
    with pytest.raises(AnswerError, match=words):
        give(reading, **answer)
    assert not Score.objects.exists()
    reading.refresh_from_db()
    assert reading.started_at is None


def test_a_clock_may_be_ahead_by_less_than_five_minutes(reading):
    now = int(time.time() * 1000)
    give(reading, sequence=now + 4 * 60 * 1000)
    with pytest.raises(AnswerError, match="check this device's clock"):
        give(reading, sequence=now + 6 * 60 * 1000)


def test_a_criterion_s_own_range_holds():
    criteria = a_protocol().to_dict()["criteria"]
    narrow = type(a_protocol()).from_dict(
        {
            **a_protocol().to_dict(),
            "criteria": [{**criterion, "minimum": 1, "maximum": 5} for criterion in criteria],
        }
    )
    reading = a_reading(a_study(protocol=narrow))
    give(reading, value=5)
    for value in (0, 6):
        with pytest.raises(AnswerError, match="from 1 to 5"):
            give(reading, value=value)


def test_zero_is_an_answer_like_any_other(reading):
    give(reading, value=0)
    assert "5 scores missing in set A" in reading_state(reading)["missing"]


# The ranking


def test_a_ranking_is_saved_and_the_newest_counts(reading):
    save_ranking(reading=reading, tiers=[["B"], ["A"], ["C"]], sequence=1000)
    save_ranking(reading=reading, tiers=[["C"], ["A"], ["B"]], sequence=3000)
    save_ranking(reading=reading, tiers=[["A"], ["B"], ["C"]], sequence=2000)
    assert Ranking.objects.count() == 3
    assert Ranking.objects.current().get().tiers == [["C"], ["A"], ["B"]]
    assert reading_state(reading)["ranking"] == [["C"], ["A"], ["B"]]


def test_a_replayed_ranking_is_saved_once(reading):
    for _ in range(2):
        save_ranking(reading=reading, tiers=[["B"], ["A"], ["C"]], sequence=1000)
    with pytest.raises(AnswerError, match="answer again"):
        save_ranking(reading=reading, tiers=[["A"], ["B"], ["C"]], sequence=1000)
    assert Ranking.objects.count() == 1


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        ([], "Rank each of A, B, C once"),
        ([["A"], ["B"]], "each of"),
        ([["A"], ["B"], ["B"]], "each of"),
        ([["A"], ["B"], ["C"], ["D"]], "each of"),
        ([["A"], ["B"], ["C"], ["R"]], "each of"),
        ([["A"], ["B"], ["C"], []], "each of"),
        ([["A", "B"], ["C"]], "share a rank"),
    ],
)
def test_a_ranking_that_can_t_be_is_refused(reading, tiers, words):
    with pytest.raises(AnswerError, match=words):
        save_ranking(reading=reading, tiers=tiers, sequence=1000)
    assert not Ranking.objects.exists()


def test_ties_and_references_are_ranked_where_the_protocol_says_so():
    study = a_study(protocol=a_protocol(ties_allowed=True, rank_references=True))
    ranking = save_ranking(reading=a_reading(study), tiers=[["R"], ["C", "A"], ["B"]], sequence=1)
    assert ranking.tiers == [["R"], ["A", "C"], ["B"]]
    with pytest.raises(AnswerError, match="A, B, C, R"):
        save_ranking(reading=a_reading(study), tiers=[["A"], ["B"], ["C"]], sequence=2)


# Handing in


def test_what_is_missing_is_said_and_nothing_is_handed_in(reading):
    give(reading, letter="B")
    missing = submit_reading(reading)
    assert missing == [
        "6 scores missing in set A",
        "5 scores missing in set B",
        "6 scores missing in set C",
        "ranking missing",
    ]
    assert reading.submitted_at is None


def test_a_complete_reading_is_handed_in_once_and_can_still_be_changed(reading):
    rate(reading)
    first = reading.submitted_at
    assert first
    give(reading, value=1, sequence=5000)
    assert submit_reading(reading) == []
    assert reading.submitted_at == first
    assert reading_state(reading)["scores"]["A"]["clinical_realism"] == 1


def test_a_reader_finishes_once_all_is_in_and_nothing_changes_then(running_study):
    reader = running_study.readers.get(number=1)
    for reading in reader.readings.all():
        with pytest.raises(AnswerError, match="not handed in yet"):
            finish_reading(reader)
        rate(reading)
    finish_reading(reader)
    reader.refresh_from_db()
    assert reader.state == Reader.State.FINISHED
    assert reader.finished_at
    assert running_study.readers.get(number=2).state == Reader.State.INVITED
    before = Score.objects.count()
    for act in (
        lambda: give(reading, value=1, sequence=9000),
        lambda: save_ranking(reading=reading, tiers=[["A"], ["B"], ["C"]], sequence=9000),
        lambda: submit_reading(reading),
        lambda: finish_reading(reader),
    ):
        with pytest.raises(AnswerError, match="can't be changed any more"):
            act()
    assert Score.objects.count() == before


def test_the_first_look_at_the_references_is_kept(reading):
    see_references(reading)
    first = reading.references_seen_at
    see_references(reading)
    assert reading.references_seen_at == first is not None


# Who may answer


def _close(study):
    close_study(study=study, by=study.owner)


def _pause(study):
    Study.objects.filter(pk=study.pk).update(state=Study.State.SEALED)


def _revoke(study):
    study.readers.update(state=Reader.State.REVOKED)


@pytest.mark.parametrize(
    ("change", "words"),
    [(_close, "not running"), (_pause, "not running"), (_revoke, "has ended")],
)
def test_no_answer_is_taken_outside_a_running_study(running_study, reading, change, words):
    """Although the reading was loaded while it still ran."""
    rate(a_reading(running_study, position=2))
    scores = Score.objects.count()
    change(running_study)
    for answer in (
        lambda: give(reading),
        lambda: save_ranking(reading=reading, tiers=[["A"], ["B"], ["C"]], sequence=1),
        lambda: see_references(reading),
        lambda: submit_reading(reading),
    ):
        with pytest.raises(AnswerError, match=words):
            answer()
    assert Score.objects.count() == scores


def test_readers_reach_their_own_readings_of_running_studies_alone(running_study, mallory, bob):
    own = Reading.objects.for_reader(bob)
    assert {reading.reader.user for reading in own} == {bob}
    assert {reading.reader.study.title for reading in Reading.objects.for_reader(mallory)} == {
        "Other"
    }
    running_study.readers.filter(user=bob).update(state=Reader.State.REVOKED)
    assert not Reading.objects.for_reader(bob).exists()


# Where it stands


def test_the_state_of_many_readings_takes_as_many_queries_as_that_of_one(running_study):
    readings = Reading.objects.select_related("reader__study").filter(reader__number=1)
    rate(readings[0])
    counts = []
    for some in (list(readings[:1]), list(readings)):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            states = reading_states(some)
        counts.append(len(queries))
    assert counts == [3, 3]
    assert [states[r.pk]["missing"] == [] for r in readings] == [True, False, False, False]
    assert [states[r.pk]["submitted"] for r in readings] == [True, False, False, False]
    assert reading_states([]) == {}


# Two at once


@pytest.mark.services
@pytest.mark.usefixtures("connections_of_their_own")
def test_the_same_answer_sent_many_times_at_once_is_saved_once(running_study):
    reading = a_reading(running_study)
    assert at_once([lambda: give(a_reading(running_study))] * 8) == []
    assert Score.objects.count() == 1
    tiers = [["A"], ["B"], ["C"]]
    save = lambda: save_ranking(reading=reading, tiers=tiers, sequence=1)  # noqa: E731
    assert at_once([save] * 8) == []
    assert Ranking.objects.count() == 1


@pytest.mark.services
@pytest.mark.usefixtures("connections_of_their_own")
def test_a_reader_planned_by_two_processes_at_once_has_one_plan(running_study):
    reader = add_reader(study=running_study, user=a_user("dora"), by=running_study.owner)
    reader.readings.all().delete()
    assert at_once([lambda: plan_reader(Reader.objects.get(pk=reader.pk))] * 4) == []
    assert reader.readings.count() == 4


@pytest.mark.services
@pytest.mark.usefixtures("connections_of_their_own")
def test_readers_added_at_once_get_a_slot_each(running_study):
    users = [a_user(name) for name in ("dora", "emil", "fay", "gus", "dora")]
    assert (
        at_once(
            [
                partial(add_reader, study=running_study, user=user, by=running_study.owner)
                for user in users
            ]
        )
        == []
    )
    assert [reader.number for reader in running_study.readers.all()] == [1, 2, 3, 4, 5, 6]
