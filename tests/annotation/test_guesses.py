"""The last question: asked once, about the same sets whenever it is opened, after all cases."""

import html
import re
import threading
import time

import pytest
from django.db import transaction
from django.urls import reverse

from analysis.dataset import GUESS_COLUMNS, guess_frame
from analysis.statistics.guesses import blinding_index
from annotation.errors import AnswerError
from annotation.guesses import guesses_are_due, questions_for, save_guesses
from annotation.models import Guess, Reader, Study
from annotation.studies import close_study
from tests import builders
from tests.at_once import at_once

pytestmark = pytest.mark.django_db


def a_guessed_study(*, pairs=3, arms=2, done=True, **changes):
    changes = {"hidden_real": True, "guess": True, **changes}
    protocol = builders.a_protocol(**changes)
    study = builders.a_study(pairs=pairs, arms=arms, readers=("bob",), protocol=protocol)
    if done:
        for reading in study.readers.get().readings.all():
            builders.rate(reading)
    return study


def reader_of(study):
    return Reader.objects.select_related("study").get(study=study)


def right_answer(question):
    arm = question.shown.case_set.arm
    if question.other is None:
        return "no" if arm.generator_id else "yes"
    return question.other.sets.get(case_set__arm=arm).letter


def all_right(questions):
    return {question.number: right_answer(question) for question in questions}


class TestQuestions:
    def test_real_and_made_sets_are_asked_about_and_the_like_of_some(self):
        questions = questions_for(reader_of(a_guessed_study(pairs=6)))
        real = [question for question in questions if question.other is None]
        same = [question for question in questions if question.other]
        answers = [right_answer(question) for question in real]
        assert (answers.count("yes"), answers.count("no")) == (4, 4)
        assert len(same) == 4
        assert [question.number for question in questions] == list(range(1, 13))
        assert {question.choices for question in real} == {("yes", "no")}
        assert {question.choices for question in same} == {("A", "B", "C")}

    def test_the_like_is_looked_for_in_a_case_of_another_prompt_and_no_case_twice(self):
        questions = questions_for(reader_of(a_guessed_study(pairs=6, hidden_real=False)))
        readings = []
        for question in questions:
            prompts = {question.shown.reading.case.prompt, question.other.case.prompt}
            assert len({prompt.original for prompt in prompts}) == 2
            readings += [question.shown.reading, question.other]
        assert len(questions) == 4
        assert len(set(readings)) == 8

    def test_they_are_the_same_whenever_they_are_asked_for(self):
        reader = reader_of(a_guessed_study())
        assert questions_for(reader) == questions_for(reader)

    def test_practice_repeats_and_checks_are_not_asked_about(self):
        study = a_guessed_study(pairs=4, practice=1, repeats=0.25, checks=1, done=False)
        kinds = {
            reading.kind
            for question in questions_for(reader_of(study))
            for reading in (question.shown.reading, question.other)
            if reading
        }
        assert kinds == {"case"}

    def test_sets_that_were_never_side_by_side_are_only_asked_whether_they_are_real(self):
        study = a_guessed_study(presentation="single", ranking=False)
        assert {question.kind for question in questions_for(reader_of(study))} == {"real"}


class TestWhenItIsDue:
    def test_it_waits_for_the_last_case(self):
        study = a_guessed_study(pairs=2, done=False)
        reader = reader_of(study)
        *most, last = reader.readings.all()
        for reading in most:
            builders.rate(reading)
        assert not guesses_are_due(reader)
        builders.rate(last)
        assert guesses_are_due(reader_of(study))

    def test_a_protocol_that_does_not_ask_never_does(self):
        assert not guesses_are_due(reader_of(a_guessed_study(pairs=2, guess=False)))

    def test_where_there_is_nothing_to_ask_it_is_not_asked(self):
        study = a_guessed_study(pairs=1, presentation="single", ranking=False, hidden_real=False)
        assert not guesses_are_due(reader_of(study))


class TestSaving:
    @pytest.fixture
    def reader(self, alice):
        return reader_of(a_guessed_study())

    def test_answers_are_stored_all_at_once_and_once(self, reader):
        questions = questions_for(reader)
        answers = all_right(questions)
        assert save_guesses(reader=reader, answers=answers) == []
        assert Guess.objects.count() == len(questions)
        with pytest.raises(AnswerError, match="once, after all cases"):
            save_guesses(reader=reader, answers=answers)
        assert Guess.objects.count() == len(questions)

    def test_as_long_as_one_is_missing_none_is_stored(self, reader):
        answers = all_right(questions_for(reader))
        assert save_guesses(reader=reader, answers={**answers, 2: ""}) == [2]
        assert not Guess.objects.exists()

    @pytest.mark.parametrize("answer", ["maybe", "Z", "\0"])
    def test_what_cannot_be_chosen_is_refused(self, reader, answer):
        answers = all_right(questions_for(reader))
        with pytest.raises(AnswerError, match="can't be chosen"):
            save_guesses(reader=reader, answers={**answers, 1: answer})
        assert not Guess.objects.exists()

    def test_a_closed_study_and_an_ended_part_take_no_guess(self, reader):
        answers = all_right(questions_for(reader))
        for rows, state in ((Study.objects, "closed"), (Reader.objects, "revoked")):
            rows.update(state=state)
            with pytest.raises(AnswerError):
                save_guesses(reader=reader, answers=answers)
            Study.objects.update(state="running")
        assert not Guess.objects.exists()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_guesses_that_wait_for_the_closing_are_refused():
    study = a_guessed_study()
    reader = reader_of(study)
    answers = all_right(questions_for(reader))
    closed = threading.Event()

    def close():
        with transaction.atomic():
            close_study(study=study, by=study.owner)
            closed.set()
            time.sleep(1)  # the guesses wait meanwhile

    def guess():
        closed.wait()
        save_guesses(reader=reader, answers=answers)

    (error,) = at_once([close, guess])
    assert isinstance(error, AnswerError)
    assert not Guess.objects.exists()


class TestFrame:
    def test_each_guess_stands_beside_the_truth(self, alice):
        study = a_guessed_study()
        reader = reader_of(study)
        questions = questions_for(reader)
        answers = {**all_right(questions), 1: "unsure"}
        wrong = questions[-1]
        answers[wrong.number] = next(c for c in wrong.choices if c != right_answer(wrong))
        save_guesses(reader=reader, answers=answers)
        frame = guess_frame(study)
        assert tuple(frame.columns) == GUESS_COLUMNS
        assert len(frame) == len(questions)
        assert frame["right"].isna().sum() == 1
        assert (frame["right"] == False).sum() == 1  # noqa: E712
        assert set(frame["reader"]) == {"R1"}
        assert set(frame.loc[frame.question == "same", "choices"]) == {3}
        assert set(frame.loc[frame.question == "real", "choices"]) == {2}
        assert set(frame["arm"]) <= {str(arm) for arm in study.arms.all()}
        real = frame[(frame.question == "real") & (frame.arm == "Real images")]
        assert set(real["answer"]) <= {"yes", "unsure"}

    def test_the_blinding_index_takes_it_as_it_is(self, alice):
        study = a_guessed_study()
        reader = reader_of(study)
        save_guesses(reader=reader, answers=all_right(questions_for(reader)))
        frame = guess_frame(study)
        for question, guesses in frame.groupby("question"):
            choices = int(guesses["choices"].iloc[0])
            assert blinding_index(guesses, choices=choices).value == 1, question

    def test_it_is_empty_before_anybody_was_asked_and_without_revoked_readers(self, alice):
        study = a_guessed_study()
        assert guess_frame(study).empty
        reader = reader_of(study)
        save_guesses(reader=reader, answers=all_right(questions_for(reader)))
        Reader.objects.update(state="revoked")
        assert guess_frame(study).empty
        assert tuple(guess_frame(study).columns) == GUESS_COLUMNS


class TestPage:
    @pytest.fixture
    def study(self, alice):
        return a_guessed_study()

    @pytest.fixture
    def browser(self, client, study):
        client.force_login(reader_of(study).user)
        return client

    def address(self, name, study):
        return reverse(f"annotation:{name}", args=[study.slug])

    def text_of(self, response):
        body = re.sub(r"<[^>]+>", " ", response.content.decode())
        return " ".join(html.unescape(body).split())

    def test_the_overview_leads_there_and_it_can_be_left_out(self, browser, study):
        body = browser.get(self.address("reader-study", study)).content.decode()
        assert f'href="{self.address("guess", study)}"' in body
        page = browser.get(self.address("guess", study)).content.decode()
        assert re.search(rf'href="{self.address("reader-study", study)}">Leave it out', page)

    def test_no_answer_is_chosen_beforehand_and_sets_are_shown_behind_their_tokens(
        self, browser, study
    ):
        page = browser.get(self.address("guess", study)).content.decode()
        assert not re.search(r"<input[^>]*radio[^>]*checked", page)
        images = re.findall(r'<img src="([^"]+)"', page)
        assert images
        assert all(re.fullmatch(rf"/read/{study.slug}/\d+/image/[\w-]{{22}}/", i) for i in images)
        assert browser.get(images[0]).status_code == 200
        assert "Zanzibar" not in page

    def test_what_is_missing_is_marked_and_what_was_chosen_kept(self, browser, study):
        response = browser.post(self.address("guess", study), {"guess-1": "unsure"})
        page = response.content.decode()
        count = len(questions_for(reader_of(study)))
        assert f"{count - 1} answers are missing" in page
        assert len(re.findall(r'class="card-box guess(?: several)? missing"', page)) == count - 1
        assert re.search(r'name="guess-1" value="unsure" checked', page)

    def test_after_the_answers_it_is_not_asked_again(self, browser, study):
        reader = reader_of(study)
        answers = {f"guess-{n}": a for n, a in all_right(questions_for(reader)).items()}
        page = browser.post(self.address("guess", study), answers, follow=True)
        assert "cases are in; nothing is missing" in self.text_of(page)
        assert self.address("guess", study) not in page.content.decode()
        assert browser.get(self.address("guess", study)).status_code == 302
        assert Guess.objects.count() == len(answers)

    def test_a_forged_answer_is_refused_in_words(self, browser, study):
        response = browser.post(self.address("guess", study), {"guess-1": "Z" * 500})
        assert response.status_code == 400
        assert "can't be chosen here" in self.text_of(response)
