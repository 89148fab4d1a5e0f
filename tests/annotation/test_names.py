"""Names in what somebody wrote are masked; words that look like names are not."""

import pytest
from django.contrib.auth.models import User

from annotation.members import add_member, remove_member
from annotation.names import Names, names_of, people_of
from annotation.placeholders import placeholder
from annotation.steps import record
from tests import builders


def masked(text, *names):
    return Names(names).masked(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Bob knows the models.", "[name] knows the models."),
        ("bob, BOB and Bob's", "[name], [name] and [name]'s"),
        ("a bobsleigh", "a bobsleigh"),
        ("Quentin  Quill asked", "[name] asked"),
        ("ask q.quill@home.example.", "ask [name]."),
        ("Sammy Davis Jr. said", "[name] said"),
        ("anna and anna.k", "anna and [name]"),
        ("José said", "[name] said"),
        ("王伟说", "[name]说"),
        ("I asked O’Brien", "I asked [name]"),
        ("O'BRIEN’s", "[name]’s"),
        ("Anne‑Marie d'Arc, anne-marie d’arc", "[name], [name]"),
    ],
)
def test_names_are_masked_as_whole_words_in_any_case(text, left):
    names = ("bob", "Quentin Quill", "q.quill@home.example", "Sammy Davis Jr.", "anna.k", "José",
             "O'Brien", "Anne-Marie d’Arc")  # fmt: skip
    assert masked(text, *names, "王伟") == left
    assert masked(left, *names, "王伟") == left


@pytest.mark.parametrize(
    ("text", "left", "doubtful"),
    [
        ("It will be done.", "It will be done.", False),
        ("Will be sampled again.", "Will be sampled again.", True),
        ("Blurry. Will says so.", "Blurry. Will says so.", True),
        ("I asked Will.", "I asked [name].", False),
        ("by Dr. Will, and Will's own", "by Dr. [name], and [name]'s own", False),
        ("an image, An asked; as An saw", "an image, [name] asked; as [name] saw", False),
        ("An image of a polyp", "An image of a polyp", True),
        ("it can, and we Don't", "it can, and we Don't", False),
        ("12 polyps", "12 polyps", True),
    ],
)
def test_a_word_is_a_name_only_with_its_capital_within_a_sentence(text, left, doubtful):
    names = Names(["will", "An", "Don", "12"])
    assert names.masked(text) == left
    assert names.doubtful(text) is doubtful


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Will be sampled again.", "[name] be sampled again."),
        ("(Will says no)\nWILL: see 12", "([name] says no)\n[name]: see [name]"),
        (
            "An image; it will be an image; don@x.example",
            "[name] image; it will be an image; [name]",
        ),
        ("Don’t", "Don’t"),
    ],
)
def test_in_what_leaves_a_word_with_its_capital_is_a_name_anywhere(text, left):
    names = Names(["will", "An", "Don", "12"], leaving=True)
    assert names.masked(text) == left
    assert not names.doubtful(text)


def test_a_word_that_is_a_surname_first_is_always_one():
    assert masked("Brown and smith said so", "Brown", "Smith") == "[name] and [name] said so"


def test_without_names_nothing_is_masked():
    assert masked("Nobody.") == "Nobody."
    assert masked("Nobody.", "", "  ") == "Nobody."


def test_what_somebody_is_called():
    user = User(username="q1", email="q@x.example", first_name="Anna Vera", last_name="van Gogh")
    assert {*names_of(user)} == {
        "q1", "q@x.example", "Anna Vera van Gogh", "Anna Vera", "van Gogh", "Anna", "Vera", "Gogh",
    }  # fmt: skip


@pytest.mark.django_db
def test_the_people_of_a_study_are_all_who_have_or_had_a_part_in_it(running_study, alice, carol):
    for user, first in ((alice, "Alicia"), (carol, "Carolina")):
        User.objects.filter(pk=user.pk).update(first_name=first)
    carol.username = "carol-after-the-wedding"
    carol.save(update_fields=["username"])
    stands_in = placeholder(running_study.slug, 9)
    running_study.readers.filter(number=1).update(user=stands_in)
    maud = builders.a_user("maud", researcher=True, first_name="Maudie", last_name="Moor-Ó")
    gwen = builders.a_user("gwen", researcher=True, first_name="Gwendolyn")
    member = add_member(study=running_study, user=maud, role="co-investigator", by=alice)
    record(running_study, "audit", gwen)  # an administrator, who was never a member
    remove_member(study=running_study, member=member, by=alice)
    names = people_of(running_study)
    for name in ("Alicia", "alice", "Carolina", "carol", "carol-after-the-wedding", "a@b.example",
                 "maud", "Maudie", "Moor-Ó", "Gwendolyn"):  # fmt: skip
        assert names.masked(f"so {name} said") == "so [name] said"
    assert names.masked(stands_in.username) == stands_in.username
