"""Who reads a study: slots, late readers, and the end of one's part."""

import pytest

from annotation.errors import StudyError
from annotation.models import Reader, Reading, Study
from annotation.readers import add_reader, revoke_reader
from tests.builders import a_draft, a_study, a_user

pytestmark = pytest.mark.django_db
State = Study.State


def test_readers_take_the_next_slot_and_keep_it(alice):
    study = a_draft()
    for name in ("bob", "carol", "bob"):
        add_reader(study=study, user=a_user(name), by=alice)
    assert [(r.user.username, r.number) for r in study.readers.all()] == [("bob", 1), ("carol", 2)]
    assert study.events.filter(act="add reader").count() == 2
    assert not Reading.objects.exists()


def test_the_slot_of_a_reader_whose_part_ended_goes_to_the_next(alice):
    study = a_study(readers=("bob", "carol"))
    gone = study.readers.get(user__username="bob")
    plan = [(r.case_id, sorted(r.sets.values_list("letter", "case_set"))) for r in plan_of(gone)]
    revoke_reader(study=study, reader=gone, by=alice, reason="On leave.")
    dora = add_reader(study=study, user=a_user("dora"), by=alice)
    assert (dora.slot, dora.number, str(dora)) == (1, 3, "R3")
    assert plan == [
        (r.case_id, sorted(r.sets.values_list("letter", "case_set"))) for r in plan_of(dora)
    ]
    assert add_reader(study=study, user=a_user("erik"), by=alice).slot == 3
    event = study.events.get(act="revoke reader")
    assert (event.told["reader"], event.told["reason"]) == ("R1", "On leave.")


def plan_of(reader):
    return reader.readings.order_by("position")


def test_a_part_ends_once_with_a_reason_and_not_after_the_study(alice):
    study = a_study()
    reader = study.readers.first()
    with pytest.raises(StudyError, match="Say why"):
        revoke_reader(study=study, reader=reader, by=alice, reason=" ")
    revoke_reader(study=study, reader=reader, by=alice, reason="On leave.")
    with pytest.raises(StudyError, match="has ended already"):
        revoke_reader(study=study, reader=reader, by=alice, reason="On leave.")
    Study.objects.update(state=State.CLOSED)
    with pytest.raises(StudyError, match="Can't revoke readers of"):
        revoke_reader(study=study, reader=study.readers.last(), by=alice, reason="Late.")


@pytest.mark.parametrize("state", [State.SEALED, State.RUNNING])
def test_a_reader_who_comes_late_is_planned_at_once(alice, state):
    study = a_study(state=state)
    reader = add_reader(study=study, user=a_user("dora"), by=alice)
    assert reader.readings.count() == 4


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (lambda: a_user("alice"), "owns this study"),
        (lambda: a_user("root", is_superuser=True), "admin"),
        (lambda: a_user("clerk", is_staff=True), "admin"),
        (lambda: a_user("gone", is_active=False), "not active"),
    ],
)
def test_who_knows_too_much_or_is_gone_can_t_read(alice, user, words):
    study = a_draft()
    with pytest.raises(StudyError, match=words):
        add_reader(study=study, user=user(), by=alice)
    assert not Reader.objects.exists()


def test_nobody_joins_a_closed_study(alice):
    with pytest.raises(StudyError, match="must be draft or"):
        add_reader(study=a_study(state=State.CLOSED), user=a_user("dora"), by=alice)
