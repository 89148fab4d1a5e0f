"""The page of the balance: the stored plan, the plan that would be, and whether it is balanced."""

import html
import re

import pytest
from django.urls import reverse

from annotation.models import Reader
from annotation.plans import plans_of, stored_plans
from annotation.readers import add_reader, revoke_reader
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client, alice):
    client.force_login(alice)
    return client


def address(study):
    return reverse("annotation:study-balance", args=[study.slug])


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


def test_the_stored_plan_of_a_study_is_balanced(researcher):
    study = builders.a_study(pairs=3, readers=["bob", "carol", "dora"])
    text = text_of(researcher.get(address(study)))
    assert "The plan is balanced Within every reader" in text
    assert "The stored plan of 3 readers." in text
    assert "first times at least 3 readings apart" in text
    assert "6 of 6 cases are read by 3" in text


def test_it_links_from_the_study_s_page(researcher):
    study = builders.a_draft()
    assert address(study) in researcher.get(study.get_absolute_url()).content.decode()


def test_a_stored_plan_is_the_one_that_was_shown_before(running_study):
    for reader, plan in stored_plans(list(running_study.readers.all())).items():
        assert plan == plans_of(running_study, [reader.slot])[reader.slot]


def test_before_sealing_it_shows_the_plan_that_would_be(researcher, bob):
    study = builders.a_draft(pairs=3)
    assert "The plan that 3 readers would get." in text_of(researcher.get(address(study)))
    add_reader(study=study, user=bob, by=study.owner)
    text = text_of(researcher.get(address(study)))
    assert "The plan that 1 reader would get." in text
    assert "stored when the study is sealed" in text


def test_a_number_of_readers_can_be_asked_for(researcher):
    study = builders.a_draft(pairs=3)
    text = text_of(researcher.get(address(study), {"readers": 5}))
    assert "The plan that 5 readers would get." in text
    assert "Place 5" in text
    assert "6 of 6 cases are read by 5" in text


@pytest.mark.parametrize("asked", ["0", "31", "many"])
def test_a_number_that_can_t_be_is_said_and_changes_nothing(researcher, asked):
    study = builders.a_draft()
    text = text_of(researcher.get(address(study), {"readers": asked}))
    assert re.search("Ensure this value|Enter a whole number", text)
    assert "The plan is balanced" in text


def test_a_freed_place_unbalances_the_plan_until_the_next_reader_gets_it(researcher):
    study = builders.a_study(pairs=3, readers=["bob", "carol", "dora", "eve"])
    for number in (2, 3):
        reader = study.readers.get(number=number)
        revoke_reader(study=study, reader=reader, by=study.owner, reason="On leave.")
    text = text_of(researcher.get(address(study)))
    assert "The plan is not balanced It isn’t so that each letter" in text
    assert "Places 2, 3 of the plan are free: the next readers get them." in text
    for name in ("fay", "gus"):
        add_reader(study=study, user=builders.a_user(name), by=study.owner)
    assert "The plan is balanced" in text_of(researcher.get(address(study)))


def test_the_reader_of_a_freed_place_gets_the_plan_that_was_its(running_study):
    left = running_study.readers.get(number=1)
    plan = stored_plans([left])[left]
    revoke_reader(study=running_study, reader=left, by=running_study.owner, reason="On leave.")
    new = add_reader(study=running_study, user=builders.a_user("fay"), by=running_study.owner)
    assert new.slot == left.slot
    assert stored_plans([new])[new] == plan


def test_it_says_why_there_is_no_plan(researcher):
    study = builders.a_draft(pairs=2)
    study.protocol_data["checks"] = 5
    study.save()
    assert "There is no plan 4 cases have room for 0 to 0 attention checks" in text_of(
        researcher.get(address(study))
    )


def test_repeats_checks_and_practice_stand_in_the_order(researcher):
    study = builders.a_draft(
        pairs=5, protocol=builders.a_protocol(repeats=0.2, checks=1, practice=0)
    )
    response = researcher.get(address(study), {"readers": 1})
    text = text_of(response)
    body = response.content.decode()
    assert body.count('<li class="repeat">') == 2
    assert body.count('<li class="check">') == 1
    assert re.search("2, at least [89] readings after the first time", text)


def test_single_sets_are_balanced_over_rounds(researcher):
    protocol = builders.a_protocol(presentation="single", ranking=False, repeats=0, practice=0)
    study = builders.a_draft(pairs=3, protocol=protocol)
    text = text_of(researcher.get(address(study)))
    assert "each arm is shown in each round equally often" in text
    assert "Round 3" in text


def test_other_people_do_not_see_it(client, running_study, mallory):
    for user, status in (
        (running_study.readers.get(number=1).user, 403),
        (mallory, 403),
        (builders.a_user("victor", researcher=True), 404),
    ):
        client.force_login(user)
        assert client.get(address(running_study)).status_code == status


def test_readers_who_left_are_not_counted(researcher, running_study):
    running_study.readers.filter(number=2).update(state=Reader.State.REVOKED)
    assert "The stored plan of 1 reader." in text_of(researcher.get(address(running_study)))


def test_more_readers_ask_no_more_of_the_database(researcher, django_assert_max_num_queries):
    study = builders.a_study(pairs=6, arms=4, readers=("bob", "carol", "dan", "eve"))
    with django_assert_max_num_queries(15):
        researcher.get(address(study))
    with django_assert_max_num_queries(15):
        researcher.get(address(study), {"readers": 30})
