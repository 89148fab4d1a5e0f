import pytest

from analysis.export import csv_text
from analysis.remarks import activity_frame, comment_frame, flag_frame
from annotation.models import Reader
from annotation.protocols import Criterion
from annotation.readings import record_activity, save_comment, save_flag, save_score
from tests.builders import a_protocol, a_reading, a_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    why = Criterion("why", "Why", "In a few words", kind="text")
    return a_study(protocol=a_protocol(criteria=(*a_protocol().criteria, why)))


def test_what_readers_wrote_stands_with_its_set_and_arm(study):
    bob, carol = a_reading(study, "bob"), a_reading(study, "carol")
    save_comment(reading=bob, letter="B", text="=SUM(A1)", sequence=1)
    save_comment(reading=bob, letter="C", text="Blurred.", sequence=1)
    save_comment(reading=bob, letter="C", text="", sequence=2)
    save_score(reading=carol, letter="A", criterion="why", value=None, text="Flat.", sequence=1)
    frame = comment_frame(study)
    assert frame[["reader", "letter", "criterion", "text"]].values.tolist() == [
        ["R1", "B", "", "=SUM(A1)"],
        ["R2", "A", "why", "Flat."],
    ]
    assert frame["arm"][0] == str(bob.sets.get(letter="B").case_set.arm)
    assert "'=SUM(A1)" in csv_text(frame)


def test_a_flag_names_the_image_and_a_withdrawn_one_is_gone(study):
    reading = a_reading(study)
    of_set, other = reading.shown_images.exclude(reading_set=None)[:2]
    reference = reading.shown_images.filter(reading_set=None).first()
    for shown in (of_set, other, reference):
        save_flag(reading=reading, token=shown.token, reason="anatomy", sequence=1)
    save_flag(reading=reading, token=other.token, reason="withdrawn", sequence=2)
    frame = flag_frame(study)
    assert set(frame["sha256"]) == {of_set.image.sha256, reference.image.sha256}
    assert set(frame["letter"]) == {of_set.reading_set.letter, ""}


def test_activity_is_in_the_browsers_order_and_a_revoked_reader_is_left_out(study):
    reading = a_reading(study)
    for sequence, act in ((3, "zoom"), (1, "set"), (2, "active")):
        record_activity(reading=reading, act=act, detail={"n": sequence}, sequence=sequence)
    assert list(activity_frame(study)["act"]) == ["set", "active", "zoom"]
    study.readers.update(state=Reader.State.REVOKED)
    for frame in (activity_frame(study), comment_frame(study), flag_frame(study)):
        assert frame.empty
