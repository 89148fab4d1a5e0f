"""The reader's way around the cases: where one is, how much is left, review, finish."""

import html
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.models import Reader, Reading, Study
from annotation.pace import in_words, minutes_left, usual_seconds
from annotation.readings import finish_reading, record_activity, save_comment, save_flag, save_score
from tests import builders

pytestmark = pytest.mark.django_db


def address(name, study, *arguments):
    return reverse(f"annotation:{name}", args=[study.slug, *arguments])


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


def steps(response):
    """(words, past | present | future) of each step."""
    found = re.findall(
        r'<li class="(past|present|future)"[^>]*>(.*?)</li>', response.content.decode(), re.S
    )
    return [
        (" ".join(re.sub(r"<[^>]+>|\(done\)", " ", words).split()), when) for when, words in found
    ]


@pytest.fixture
def study(alice, bob, carol):
    """Two pairs, and one case of practice."""
    return builders.a_study(protocol=builders.a_protocol(practice=1))


@pytest.fixture
def reader(study):
    return study.readers.get(user__username="bob")


@pytest.fixture
def browser(client, reader):
    client.force_login(reader.user)
    return client


def overview(browser, study, **query):
    return browser.get(address("reader-study", study), query)


def begin(reading):
    save_score(reading=reading, letter="A", criterion="clinical_realism", value=3, sequence=1)


class TestBriefing:
    def test_the_overview_leads_a_new_reader_there_first(self, browser, study):
        page = overview(browser, study)
        assert "0 of 5 cases done" in text_of(page)
        assert f'href="{address("briefing", study)}"' in page.content.decode()
        assert steps(page) == [
            ("Briefing", "present"),
            ("Practice 0 of 1", "future"),
            ("Cases 0 of 4", "future"),
            ("Done", "future"),
        ]

    def test_it_says_what_is_asked_of_what_with_which_keys_and_how_long(self, browser, study):
        text = text_of(browser.get(address("briefing", study)))
        for words in (
            "3 sets of images, under the letters A to C",
            "then rank the sets",
            "The first case is for practice",
            "There are 5 cases; in all they take about 15 min",
            "Clinical realism",
            "score the marked criterion",
            "“not applicable” is the answer",
        ):
            assert words in text

    def test_who_has_read_it_goes_on_to_practice_and_that_is_kept_once(
        self, browser, study, reader
    ):
        page = browser.get(address("briefing", study))
        assert "Start with practice" in text_of(page)
        response = browser.post(address("briefing", study))
        assert response.url == address("reading", study, 1)
        first = Reader.objects.get(pk=reader.pk).briefed_at
        assert first
        browser.post(address("briefing", study))
        assert Reader.objects.get(pk=reader.pk).briefed_at == first
        assert reader.readings.get(position=1).kind == Reading.Kind.PRACTICE

    def test_it_can_be_read_again_on_the_way(self, browser, study, reader):
        builders.rate(reader.readings.get(position=1))
        page = overview(browser, study)
        assert ("Briefing", "past") in steps(page)
        assert f'<a href="{address("briefing", study)}">Briefing</a>' in page.content.decode()
        again = browser.get(address("briefing", study))
        assert "Go on with case 2" in text_of(again)

    @pytest.mark.parametrize(
        ("changes", "said", "unsaid"),
        [
            ({"hidden_real": True}, "Some are real", "Computers made them"),
            (
                {"presentation": "single", "ranking": False, "images_per_set": 1},
                "Then you see a single image.",
                "rank the sets",
            ),
            (
                {"references_per_case": 0, "hidden_real": True},
                "Each case has a prompt",
                "First you see real images",
            ),
            ({"minimal_width": 700}, "at least 700 pixels wide", "practice"),
        ],
    )
    def test_it_asks_what_the_protocol_asks(self, client, bob, changes, said, unsaid):
        study = builders.a_study(
            pairs=1, arms=2, readers=("bob",), protocol=builders.a_protocol(**changes)
        )
        client.force_login(bob)
        text = text_of(client.get(address("briefing", study)))
        assert said in text
        assert unsaid not in text


class TestOverview:
    def test_each_step_of_the_way_is_told_as_it_is_taken(self, browser, study, reader):
        builders.rate(reader.readings.get(position=1))
        assert steps(overview(browser, study))[1:] == [
            ("Practice 1 of 1", "past"),
            ("Cases 0 of 4", "present"),
            ("Done", "future"),
        ]

    def test_it_leads_to_the_first_case_that_is_open(self, browser, study, reader):
        builders.rate(reader.readings.get(position=1))
        builders.rate(reader.readings.get(position=3))
        page = overview(browser, study)
        assert "Go on with case 2" in text_of(page)
        assert f'href="{address("reading", study, 2)}"' in page.content.decode()

    def test_the_review_says_what_is_missing_flagged_and_commented(self, browser, study, reader):
        second = reader.readings.get(position=2)
        begin(second)
        token = second.shown_images.filter(reading_set__isnull=False).first().token
        save_flag(reading=second, token=token, reason="artefact", sequence=1)
        save_comment(reading=second, letter="B", text="Two <polyps>, not one.", sequence=1)
        text = text_of(overview(browser, study))
        assert "5 scores missing in set A" in text
        assert "Set B : Two <polyps>, not one." in text.replace("Set B:", "Set B :")
        assert "Begun, not done 1 With flags 1 With comments 1" in text

    @pytest.mark.parametrize("show", ["missing", "flagged", "comments"])
    def test_the_review_can_be_narrowed_down(self, browser, study, reader, show):
        second = reader.readings.get(position=2)
        begin(second)
        token = second.shown_images.filter(reading_set__isnull=False).first().token
        save_flag(reading=second, token=token, reason="artefact", sequence=1)
        save_comment(reading=second, letter="B", text="Blurred.", sequence=1)
        cases = re.findall(r">Case (\d)</a>", overview(browser, study, show=show).content.decode())
        assert cases == ["2"]
        builders.rate(second, sequence=5)
        save_flag(reading=second, token=token, reason="withdrawn", sequence=6)
        save_comment(reading=second, letter="B", text="", sequence=6)
        assert "None." in text_of(overview(browser, study, show=show))

    def test_an_unknown_narrowing_shows_all(self, browser, study):
        page = overview(browser, study, show="reading")
        assert len(re.findall(r">Case \d</a>", page.content.decode())) == 5

    def test_it_tells_neither_repeats_nor_prompts_nor_arms(self, client, bob):
        study = builders.a_study(
            title="S",
            pairs=6,
            arms=2,
            readers=("bob",),
            protocol=builders.a_protocol(repeats=0.25),
        )
        reader = study.readers.get()
        assert reader.readings.filter(kind=Reading.Kind.REPEAT).exists()
        for reading in reader.readings.all():
            begin(reading)
        client.force_login(bob)
        body = client.get(address("reader-study", study)).content.decode()
        assert not re.search("repeat|polyps|Zanzibar", body, re.I)

    def test_when_everything_is_in_it_says_so_and_what_happens_next(self, browser, study, reader):
        for reading in reader.readings.all():
            builders.rate(reading)
        page = overview(browser, study)
        text = text_of(page)
        assert "All 5 cases are in; nothing is missing Look through your cases" in text
        assert "What happens next" in text
        assert "min left" not in text
        assert steps(page)[-1] == ("Done", "present")

    def test_the_reader_finishes_and_not_before_all_is_in(self, browser, study, reader):
        finish = address("reader-finish", study)
        *most, last = reader.readings.all()
        for reading in most:
            builders.rate(reading)
        assert "1 case is not handed in yet." in text_of(browser.post(finish, follow=True))
        builders.rate(last)
        assert "Done. Thank you. What happens next" in text_of(browser.post(finish, follow=True))
        reader.refresh_from_db()
        assert reader.state == Reader.State.FINISHED
        again = text_of(browser.post(finish, follow=True))
        assert "answers can't be changed any more" in again
        assert browser.get(finish).status_code == 405

    @pytest.mark.parametrize(
        ("state", "words"),
        [(Study.State.SEALED, "it is not open yet"), (Study.State.CLOSED, "This study is closed.")],
    )
    def test_a_study_that_is_not_open_says_why(self, browser, study, state, words):
        Study.objects.update(
            state=state, closed_at=timezone.now() if state == Study.State.CLOSED else None
        )
        for name in ("reader-study", "briefing", "guess"):
            assert words in text_of(browser.get(address(name, study), follow=True))

    def test_others_find_nothing(self, client, study, mallory, alice):
        for user in (mallory, alice):
            client.force_login(user)
            for name in ("reader-study", "briefing", "guess", "consent"):
                assert client.get(address(name, study)).status_code == 404
                assert client.post(address(name, study)).status_code in (404, 405)

    def test_it_asks_the_database_no_more_for_more_cases(
        self, client, bob, django_assert_max_num_queries
    ):
        study = builders.a_study(pairs=8, arms=2, readers=("bob",))
        for reading in study.readers.get().readings.all()[:9]:
            builders.rate(reading)
        client.force_login(bob)
        with django_assert_max_num_queries(16):
            overview(client, study)


class TestTimeLeft:
    @pytest.fixture
    def readings(self, study, reader):
        return lambda: list(reader.readings.select_related("reader__study").order_by("position"))

    def act(self, reading, seconds, sequence):
        record_activity(
            reading=reading, act="active", detail={"seconds": seconds}, sequence=sequence
        )

    def hand_in(self, reading, *, after=0):
        builders.rate(reading)
        now = timezone.now()
        Reading.objects.filter(pk=reading.pk).update(
            started_at=now - timedelta(seconds=after), submitted_at=now
        )

    def test_before_the_first_case_it_goes_by_the_number_of_scores(self, study, readings):
        assert usual_seconds(study) == 3 * 6 * 10
        assert minutes_left(readings()) == 15

    def test_it_goes_by_the_reader_s_active_time_without_the_breaks(self, readings):
        first = readings()[0]
        self.act(first, 45.5, 1)
        self.act(first, 14.5, 2)
        self.hand_in(first, after=3600)
        assert minutes_left(readings()) == round(4 * (180 + 60) / 2 / 60)

    def test_a_browser_that_reports_nothing_is_timed_from_start_to_end(self, readings):
        self.hand_in(readings()[0], after=120)
        assert minutes_left(readings()) == round(4 * (180 + 120) / 2 / 60)
        self.hand_in(readings()[1], after=10**6)
        assert minutes_left(readings()) == round(3 * (180 + 120 + 900) / 3 / 60)

    def test_what_makes_no_sense_counts_for_nothing(self, readings):
        first = readings()[0]
        for sequence, seconds in enumerate([60, "soon", None, -5, 10**9, 1e300, [1]], 1):
            self.act(first, seconds, sequence)
        self.hand_in(first)
        assert minutes_left(readings()) == round(4 * (180 + 60) / 2 / 60)

    @pytest.mark.parametrize(
        ("minutes", "words"),
        [(1, "1 min"), (19, "19 min"), (44, "45 min"), (58, "1 h"), (131, "2 h 10 min")],
    )
    def test_the_longer_it_takes_the_rounder_it_is_said(self, minutes, words):
        assert in_words(minutes) == words


class TestStanding:
    """What the researcher is told of each reader."""

    def standing(self, client, study):
        client.force_login(study.owner)
        text = text_of(client.get(study.get_absolute_url()))
        return re.search(r"R1 bob (\D+) (\d of \d)", text).groups()

    def test_each_reader_s_state_is_told_in_words(self, client, alice, bob):
        texts = {"consent": "Please.", "consent_version": "1"}
        study = builders.a_study(
            pairs=1, readers=("bob",), protocol=builders.a_protocol(practice=2, **texts)
        )
        reader = study.readers.get()
        first, second, *rest = reader.readings.order_by("position")
        assert self.standing(client, study) == ("invited", "0 of 4")
        Reader.objects.update(consented_at=timezone.now())
        assert self.standing(client, study) == ("consented", "0 of 4")
        builders.rate(first)
        assert self.standing(client, study) == ("practising", "1 of 4")
        builders.rate(second)
        assert self.standing(client, study) == ("reading", "2 of 4")
        for reading in rest:
            builders.rate(reading)
        assert self.standing(client, study) == ("all in, not finished", "4 of 4")
        finish_reading(reader)
        assert self.standing(client, study) == ("done", "4 of 4")
        Reader.objects.update(state=Reader.State.REVOKED)
        assert self.standing(client, study) == ("ended", "4 of 4")
