"""What protocols may ask: practice, hidden real images, single sets, other kinds of criteria."""

from dataclasses import replace

import pytest

from analysis.dataset import case_frame, ranking_frame, score_frame
from annotation.audits import audit_blinding
from annotation.drafts import create_study
from annotation.errors import AnswerError, StudyError
from annotation.models import CaseImage, Comment, Flag, Reading, Score
from annotation.protocols import Criterion, Protocol, ProtocolError, load_protocol, presets
from annotation.readings import (
    attentive,
    reading_state,
    record_activity,
    save_comment,
    save_flag,
    save_ranking,
    save_score,
)
from annotation.studies import open_study, seal_study
from generation.models import Image
from tests.builders import State, a_draft, a_protocol, a_reading, a_study, a_user, rate

pytestmark = pytest.mark.django_db

KINDS = (
    Criterion("likert", "Realism", "How real?", minimum=1, maximum=5),
    Criterion("usable", "Usable", "Would you use it?", kind="yes_no", maximum=1),
    Criterion("why", "Why", "In a few words", kind="text"),
)


@pytest.mark.parametrize("preset", presets())
def test_a_preset_says_the_same_in_each_language(preset):
    protocol = load_protocol(preset)
    russian = protocol.in_language("ru")
    assert russian.language == "ru"
    assert [c.key for c in russian.criteria] == [c.key for c in protocol.criteria]
    for one, other in zip(protocol.criteria, russian.criteria, strict=True):
        for text in ("name", "description", "low", "middle", "high"):
            assert getattr(one, text) != getattr(other, text), (one.key, text)
    assert russian.consent.count("\n\n") == protocol.consent.count("\n\n")
    assert protocol.in_language("fr") == protocol
    assert Protocol.from_dict(protocol.to_dict()) == protocol


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"criteria": (KINDS[2],)}, "one criterion at least"),
        ({"criteria": (replace(KINDS[0], kind="slider"),)}, "score, yes_no, text"),
        ({"criteria": (replace(KINDS[1], maximum=3),)}, "spans 0 to 1"),
        ({"presentation": "single"}, "can't be ranked"),
        ({"references_per_case": 0, "rank_references": True}, "no references to rank"),
        ({"consent": "Yes."}, "needs a version"),
        ({"practice": 11}, "0 to 10"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(changes, words):
    with pytest.raises(ProtocolError, match=words):
        a_protocol(**changes)


def test_every_kind_of_criterion_takes_its_own_answers():
    study = a_study(protocol=a_protocol(criteria=KINDS))
    reading = a_reading(study)

    def give(criterion, value, text="", *, sequence=1):
        return save_score(
            reading=reading, letter="A", criterion=criterion, value=value, text=text,
            sequence=sequence,
        )  # fmt: skip

    for criterion, value in (("likert", 0), ("likert", 6), ("usable", 2), ("usable", None)):
        with pytest.raises(AnswerError):
            give(criterion, value)
    with pytest.raises(AnswerError, match="2000 are the most"):
        give("why", None, "x" * 2001)
    assert not Score.objects.exists()
    give("likert", 5)
    give("usable", 0)
    assert give("why", None, "  Blurred.\r\nFlat. ").text == "Blurred.\nFlat."
    state = reading_state(reading)
    assert state["scores"]["A"] == {"likert": 5, "usable": 0, "why": "Blurred.\nFlat."}
    assert not [line for line in state["missing"] if "set A" in line]
    give("why", None, "", sequence=2)
    assert reading_state(reading)["scores"]["A"]["why"] == ""
    assert set(score_frame(study)["criterion"]) == {"likert", "usable"}


def test_practice_comes_first_and_counts_for_nothing():
    study = a_study(protocol=a_protocol(practice=2), readers=["bob"])
    kinds = list(Reading.objects.order_by("position").values_list("kind", flat=True))
    assert kinds == ["practice"] * 2 + ["case"] * 4
    for reading in Reading.objects.all():
        rate(reading)
    practised = {reading.case.position for reading in Reading.objects.filter(kind="practice")}
    for frame in (case_frame(study), score_frame(study), ranking_frame(study)):
        assert set(frame["case"]) == {1, 2, 3, 4}
    assert practised == {5, 6}


def test_attention_checks_count_for_nothing_and_tell_who_reads_the_page():
    study = a_study(pairs=4, protocol=a_protocol(checks=1))
    bob, carol = (reader.readings.get(kind="check") for reader in study.readers.all())
    assert attentive(bob) is None
    for reading in Reading.objects.all():
        rate(reading)
    rate(carol, score=lambda shown, key: 0 if shown.letter == "A" else 10, sequence=2000)
    assert (attentive(bob), attentive(carol)) == (False, True)
    assert len(score_frame(study)) == 2 * 8 * 3 * 6


def test_hidden_real_images_are_an_arm_like_any_other_and_never_references():
    study = a_study(protocol=a_protocol(hidden_real=True), arms=2)
    arms = [str(arm) for arm in study.arms.all()]
    assert arms[-1] == "Real images"
    links = CaseImage.objects.filter(case_set__arm__generator=None)
    assert links.count() == 4 * 2
    assert {link.image.kind for link in links} == {Image.Kind.REAL}
    shown = {link.image.sha256 for link in links}
    references = Image.objects.filter(cases__study=study).values_list("sha256", flat=True)
    assert not shown & set(references)
    assert {reading_set.letter for reading_set in a_reading(study).sets.all()} == {"A", "B", "C"}
    rate(a_reading(study))
    assert set(score_frame(study)["arm"]) == set(arms)


def test_a_hidden_image_that_became_a_reference_stops_the_sealing(alice):
    study = a_study(state=State.CHECKED, protocol=a_protocol(hidden_real=True))
    hidden = CaseImage.objects.filter(case_set__arm__generator=None).first()
    study.cases.last().casereference_set.filter(position=1).update(image=hidden.image)
    with pytest.raises(StudyError, match="both as references and hidden"):
        seal_study(study=study, by=alice)


def test_practice_needs_prompts_of_its_own():
    study = a_draft()
    parts = {
        "title": "Other",
        "protocol": a_protocol(practice=1),
        "prompts": [case.prompt for case in study.cases.all()],
        "references": {c.prompt_id: list(c.references.all()) for c in study.cases.all()},
        "generators": [arm.generator for arm in study.arms.all()],
        "seed": 1,
        "owner": study.owner,
    }
    with pytest.raises(StudyError, match="1 practice cases; 0 prompts"):
        create_study(**parts)
    with pytest.raises(StudyError, match="each named once, for practice too"):
        create_study(**parts, practice=parts["prompts"][:1])


def single(**changes):
    return a_protocol(
        presentation="single", ranking=False, references_per_case=0, images_per_set=1,
        hidden_real=True, **changes,
    )  # fmt: skip


def test_single_sets_are_read_one_at_a_time_and_unranked():
    study = a_study(protocol=single(), arms=2, readers=["bob"])
    readings = list(Reading.objects.all())
    assert len(readings) == 4 * 3
    assert {reading.sets.count() for reading in readings} == {1}
    for reading in readings:
        rate(reading)
    with pytest.raises(AnswerError, match="not ranked"):
        save_ranking(reading=readings[0], tiers=[["A"]], sequence=9)
    frame = score_frame(study)
    assert len(frame) == 4 * 3 * 6
    assert not frame.duplicated(["case", "arm", "criterion"]).any()


def test_single_images_pass_the_audit_too(alice):
    study = a_study(state=State.SEALED, protocol=single(), arms=2)
    assert audit_blinding(study=study, readings_per_reader=2).findings == []
    open_study(study=study, by=alice)


def test_nothing_can_be_read_before_the_consent():
    study = a_study(protocol=a_protocol(consent="We keep your answers.", consent_version="1"))
    bob = a_user("bob")
    assert not Reading.objects.for_reader(bob).exists()
    study.readers.filter(user=bob).update(consented_at=study.opened_at)
    assert Reading.objects.for_reader(bob).count() == 4


def test_comments_flags_and_activity_are_revisions_and_replays_change_nothing():
    reading = a_reading(a_study())
    token = reading.shown_images.first().token
    for sequence, text in ((1, "Good."), (3, ""), (2, "Bad."), (1, "Good.")):
        save_comment(reading=reading, letter="B", text=text, sequence=sequence)
    assert [comment.text for comment in Comment.objects.current()] == [""]
    assert Comment.objects.count() == 3
    for sequence, reason in ((1, "anatomy"), (2, "withdrawn"), (1, "anatomy")):
        save_flag(reading=reading, token=token, reason=reason, sequence=sequence)
    assert [flag.reason for flag in Flag.objects.current()] == ["withdrawn"]
    for _ in range(2):
        record_activity(reading=reading, act="active", detail={"seconds": 4}, sequence=5)
    assert reading.activities.count() == 1
    for act in (
        lambda: save_flag(reading=reading, token="else", reason="other", sequence=9),
        lambda: save_flag(reading=reading, token=token, reason="ugly", sequence=9),
        lambda: save_comment(reading=reading, letter="Z", text="x", sequence=9),
        lambda: record_activity(reading=reading, act="sleep", detail={}, sequence=9),
        lambda: record_activity(reading=reading, act="set", detail={"x": "y" * 3000}, sequence=9),
        lambda: save_comment(reading=reading, letter="B", text="Else", sequence=3),
    ):
        with pytest.raises(AnswerError):
            act()
    assert (Comment.objects.count(), Flag.objects.count()) == (3, 2)
