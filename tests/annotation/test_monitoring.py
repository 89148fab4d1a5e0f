"""Monitoring: how readers get on, blinded; signs with a note; a monitor's view of a study."""

import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotation.members import add_member
from annotation.models import Arm, CaseSet, Reader, Reading, Score, Study
from annotation.monitoring import last_seen, watch
from annotation.readers import add_reader
from annotation.readings import record_activity, save_comment, save_score
from annotation.studies import unblind_study
from generation.models import Generator
from tests import builders

pytestmark = pytest.mark.django_db
State = Study.State


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


@pytest.fixture
def study(alice):
    return builders.a_study(protocol=builders.a_protocol(repeats=0.25), pairs=3)


def study_size(study):
    """Readings of a reader: six cases and the repeats that the plan has room for."""
    size = study.readers.first().readings.count()
    assert size > 6
    return size


def of(study, name="bob"):
    number = study.readers.get(user__username=name).number
    return watch(study, number=number)[0]


def rate_all(study, name="bob", *, score=None, seconds=60):
    for reading in Reading.objects.filter(reader__study=study, reader__user__username=name):
        sequence = 1000 + reading.pk
        record_activity(
            reading=reading, act="active", detail={"seconds": seconds}, sequence=sequence
        )
        builders.rate(reading, score=score, sequence=sequence)


def by_set(shown, key):
    """The same for the same set, whenever it is shown."""
    return (shown.case_set_id * 3 + len(key)) % 11


def rules(study, name="bob"):
    return {noticed.sign.rule: noticed for noticed in of(study, name).noticed}


def test_it_counts_what_came_in_and_how_long_it_took(study):
    reading = builders.a_reading(study)
    for seconds in (20, 31):
        record_activity(
            reading=reading, act="active", detail={"seconds": seconds}, sequence=seconds
        )
    builders.rate(reading)
    save_comment(reading=reading, letter="A", text="Good.", sequence=2000)
    begun = builders.a_reading(study, position=2)
    key = study.protocol.rated[0].key
    save_score(reading=begun, letter="A", criterion=key, value=3, sequence=1)
    watched = of(study)
    assert (watched.reader.submitted, watched.reader.planned) == (1, study_size(study))
    assert watched.usual == 51
    assert (watched.comments, watched.visits, watched.missing) == (1, 1, 17)
    assert watched.last_seen
    assert of(study, "carol").last_seen is None


def test_nobody_has_time_left_once_the_study_is_closed(client, study, alice):
    client.force_login(alice)
    pages = [study.get_absolute_url(), reverse("annotation:study-monitoring", args=[study.slug])]
    left = re.compile(r"\d+ min\b")
    assert all(left.search(text_of(client.get(page))) for page in pages)
    Study.objects.update(state=State.CLOSED, closed_at=timezone.now())
    assert not any(left.search(text_of(client.get(page))) for page in pages)


def test_a_careful_reader_gives_no_sign(study):
    rate_all(study, score=by_set)
    assert rules(study) == {}


def test_a_hasty_straight_liner_gives_signs_with_their_cases(study):
    rate_all(study, score=lambda shown, key: 7, seconds=2)
    found = rules(study)
    assert set(found) == {"same", "fast"}
    assert found["same"].sign.cases == tuple(range(1, study_size(study) + 1))
    assert found["fast"].rule.startswith("At least 2 cases")


def test_repeats_that_disagree_are_seen_by_the_set_and_not_by_the_letter(study):
    def apart(shown, key):
        return 10 if shown.reading.repeat else 0

    rate_all(study, score=apart)
    assert "repeats" in rules(study)
    rate_all(study, "carol", score=by_set)
    assert "repeats" not in rules(study, "carol")


def test_exchanging_the_arms_changes_nothing(study):
    """Who looks at the monitoring page learns nothing of arms: it is the same for any."""
    rate_all(study, score=lambda shown, key: 10 if shown.reading.repeat else shown.case_set_id % 4)
    before = watch(study)
    first, second = Arm.objects.filter(study=study)[:2]
    ones, others = (list(CaseSet.objects.filter(arm=arm)) for arm in (first, second))
    spare = Arm.objects.create(study=study, position=99, generator=builders.a_generator())
    CaseSet.objects.filter(pk__in=[s.pk for s in ones]).update(arm=spare)
    CaseSet.objects.filter(pk__in=[s.pk for s in others]).update(arm=first)
    CaseSet.objects.filter(pk__in=[s.pk for s in ones]).update(arm=second)
    spare.delete()
    assert [[n.sign for n in w.noticed] for w in watch(study)] == [
        [n.sign for n in w.noticed] for w in before
    ]


def test_silence_is_a_sign_while_the_reader_should_be_at_work(study):
    long_ago = timezone.now() - timedelta(days=9)
    Study.objects.filter(pk=study.pk).update(opened_at=long_ago)
    Reader.objects.update(invited_at=long_ago)
    study.refresh_from_db()
    assert "Nothing for 9 days" in rules(study)["silence"].sign.words
    Reader.objects.filter(user__username="bob").update(paused_at=timezone.now())
    assert "silence" not in rules(study)
    builders.rate(builders.a_reading(study, "carol"))
    assert "silence" not in rules(study, "carol")


def test_a_hundred_readings_take_as_many_queries_as_ten(study, django_assert_num_queries):
    rate_all(study)
    with CaptureQueriesContext(connection) as one:
        watch(study)
    rate_all(study, "carol")
    with django_assert_num_queries(len(one)):
        watch(study)
    assert len(one) < 15


class TestPages:
    @pytest.fixture
    def monitor(self, study, alice):
        user = builders.a_user("monica", researcher=True)
        add_member(study=study, user=user, role="monitor", by=alice)
        return user

    def test_a_sign_is_looked_into_once_with_a_note_that_is_recorded(self, client, study, alice):
        rate_all(study, score=lambda shown, key: 7)
        client.force_login(alice)
        page = reverse("annotation:study-reader", args=[study.slug, 1])
        assert "The same score throughout" in text_of(client.get(page))
        look = reverse("annotation:study-look", args=[study.slug, 1, "same"])
        assert "Say what came of your look" in text_of(
            client.post(look, {"note": " "}, follow=True)
        )
        text = text_of(client.post(look, {"note": "All are bad indeed."}, follow=True))
        assert "looked into ✓" in text
        assert "alice: “All are bad indeed.”" in text
        event = study.events.get(act="look into")
        assert event.told["note"] == "All are bad indeed."
        study_page = text_of(client.get(study.get_absolute_url()))
        assert "looked into “The same score throughout” of reader R1" in study_page

    def test_a_look_holds_until_there_is_more(self, client, study, alice):
        readings = list(Reading.objects.filter(reader__user__username="bob").order_by("position"))
        for reading in readings[:3]:
            builders.rate(reading, score=lambda shown, key: 7)
        client.force_login(alice)
        client.post(
            reverse("annotation:study-look", args=[study.slug, 1, "same"]), {"note": "Asked."}
        )
        assert not rules(study)["same"].open
        builders.rate(readings[3], score=lambda shown, key: 7)
        assert rules(study)["same"].open
        assert rules(study)["same"].looks[0].note == "Asked."

    def test_a_sign_that_is_not_there_can_t_be_looked_into(self, client, study, alice):
        client.force_login(alice)
        look = reverse("annotation:study-look", args=[study.slug, 1, "same"])
        assert "not there any more" in text_of(client.post(look, {"note": "x"}, follow=True))
        assert not study.events.filter(act="look into").exists()

    def test_htmx_gets_the_table_alone(self, client, study, alice):
        client.force_login(alice)
        address = reverse("annotation:study-monitoring", args=[study.slug])
        body = client.get(address, headers={"HX-Request": "true"}).content.decode()
        assert f"0 of {2 * study_size(study)} cases are in" in body
        assert "<html" not in body

    def test_before_sealing_and_without_readers_it_says_so(self, client, alice):
        client.force_login(alice)
        for readers, words in (
            (("bob",), "planned when the study is sealed"),
            ((), "Nobody reads"),
        ):
            draft = builders.a_draft(title=f"Draft {len(readers)}")
            for name in readers:
                add_reader(study=draft, user=builders.a_user(name), by=alice)
            page = client.get(reverse("annotation:study-monitoring", args=[draft.slug]))
            assert words in text_of(page)

    def test_a_monitor_sees_progress_and_nothing_that_tells_arms(self, client, study, monitor):
        rate_all(study, score=lambda shown, key: 7)
        client.force_login(monitor)
        names = [*Generator.objects.values_list("name", flat=True), str(study.seed)]
        for address in (
            study.get_absolute_url(),
            reverse("annotation:study-monitoring", args=[study.slug]),
            reverse("annotation:study-reader", args=[study.slug, 1]),
        ):
            response = client.get(address)
            assert response.status_code == 200
            assert "R1" in text_of(response)
            assert not [name for name in names if name in response.content.decode()]
        assert study.title in text_of(client.get(reverse("annotation:study-list")))

    def test_reasons_that_may_tell_an_arm_are_kept_from_monitors(self, client, study, monitor):
        unblind_study(study=study, by=study.owner, reason="Fern is far better.")
        client.force_login(monitor)
        page = text_of(client.get(study.get_absolute_url()))
        assert "unblinded the study: “kept from monitors”" in page
        assert "Fern is far better" not in page

    def test_a_monitor_looks_into_signs_but_ends_and_reminds_nobody(self, client, study, monitor):
        rate_all(study, score=lambda shown, key: 7)
        client.force_login(monitor)
        page = client.get(reverse("annotation:study-reader", args=[study.slug, 1]))
        assert "End part" not in text_of(page)
        client.post(reverse("annotation:study-look", args=[study.slug, 1, "same"]), {"note": "Hm."})
        assert study.events.get(act="look into").actor == monitor


def test_last_seen_is_the_newest_answer_or_report(study):
    reading = builders.a_reading(study)
    record_activity(reading=reading, act="active", detail={"seconds": 3}, sequence=1)
    key = study.protocol.rated[0].key
    score = save_score(reading=reading, letter="A", criterion=key, value=3, sequence=1)
    later = timezone.now() + timedelta(minutes=5)
    Score.objects.filter(pk=score.pk).update(created_at=later)
    assert last_seen(study) == {reading.reader_id: later}
