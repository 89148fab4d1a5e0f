"""Co-investigators and monitors: who names them, who can be one, what is recorded."""

import html
import re

import pytest
from django.urls import reverse

from annotation.errors import StudyError
from annotation.members import add_member, remove_member
from annotation.models import Member, Study
from annotation.readers import add_reader, revoke_reader
from tests import builders

pytestmark = pytest.mark.django_db


def text_of(response):
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).split())


@pytest.fixture
def study(alice):
    return builders.a_study()


@pytest.fixture
def carla(db):
    return builders.a_user("carla", researcher=True, email="carla@example.org")


def test_the_owner_names_by_user_name_changes_and_removes(client, study, alice, carla):
    client.force_login(alice)
    page = reverse("annotation:study-members", args=[study.slug])
    # An address proves nothing: anybody can give it as theirs.
    client.post(page, {"username": "carla@example.org", "role": "monitor"})
    assert not study.members.exists()
    client.post(page, {"username": "carla", "role": "monitor"})
    assert study.members.get().role == "monitor"
    assert Study.objects.followed_by(carla).get() == study
    assert not Study.objects.managed_by(carla).exists()
    text = text_of(client.post(page, {"username": "carla", "role": "co-investigator"}, follow=True))
    assert "carla is co-investigator of this study" in text
    assert Study.objects.managed_by(carla).get() == study
    assert not Study.objects.owned_by(carla).exists()
    pk = study.members.get().pk
    client.post(reverse("annotation:study-member-remove", args=[study.slug, pk]))
    assert not Study.objects.followed_by(carla).exists()
    told = text_of(client.get(study.get_absolute_url()))
    assert "made carla monitor of the study" in told
    assert "ended the part of carla as co-investigator" in told


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("alice", "owns this study"),
        ("bob", "reads this study"),
        ("dora", "is no researcher"),
        ("gone", "not active"),
    ],
)
def test_who_can_t_be_a_member_is_told_why(study, alice, who, words):
    builders.a_user("gone", researcher=True, is_active=False)
    builders.a_user("bob", researcher=True)
    with pytest.raises(StudyError, match=words):
        add_member(study=study, user=builders.a_user(who), role="monitor", by=alice)
    assert not Member.objects.exists()


def test_nobody_is_both_reader_and_member_even_once_a_part_has_ended(study, alice, carla):
    add_member(study=study, user=carla, role="monitor", by=alice)
    with pytest.raises(StudyError, match="knows too much to read it"):
        add_reader(study=study, user=carla, by=alice)
    rita = builders.a_user("rita", researcher=True)
    reader = add_reader(study=study, user=rita, by=alice)
    revoke_reader(study=study, reader=reader, by=alice, reason="On leave.")
    with pytest.raises(StudyError, match="or has read it"):
        add_member(study=study, user=rita, role="monitor", by=alice)


def test_who_was_a_member_can_t_read_the_study_any_more(study, alice, carla):
    remove_member(
        study=study, member=add_member(study=study, user=carla, role="monitor", by=alice), by=alice
    )
    with pytest.raises(StudyError, match="knows too much to read it"):
        add_reader(study=study, user=carla, by=alice)


def test_a_role_is_one_of_two_and_given_once(study, alice, carla):
    with pytest.raises(StudyError, match="is no role"):
        add_member(study=study, user=carla, role="owner", by=alice)
    add_member(study=study, user=carla, role="monitor", by=alice)
    with pytest.raises(StudyError, match="is monitor already"):
        add_member(study=study, user=carla, role="monitor", by=alice)
    assert study.events.filter(act="add member").count() == 1
