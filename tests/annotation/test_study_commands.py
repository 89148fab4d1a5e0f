"""`manage.py create_study` and `add_reader`."""

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from annotation.models import Reader, Study
from generation.models import Prompt
from tests.builders import a_dataset, a_draft, a_generator, a_study

pytestmark = pytest.mark.django_db
State = Study.State


def _options(dataset, **changes):
    options = {
        "title": "From the command line",
        "prompts_dataset": dataset.slug,
        "references_dataset": dataset.slug,
        "generators": a_generator().slug,
        "seed": 5,
        "owner": "alice",
        "images_per_set": 3,
        "references_per_case": 2,
        **changes,
    }
    return {key: value for key, value in options.items() if value is not None}


def test_the_command_makes_a_draft_of_the_first_pairs(alice):
    dataset = a_dataset(pairs=3)
    Prompt.objects.create(dataset=dataset, text="Without a rephrasing.")
    out = StringIO()
    call_command("create_study", **_options(dataset, pairs=2), stdout=out)
    study = Study.objects.get()
    assert [(case.prompt.text, case.practice) for case in study.cases.all()] == [
        ("Generate an image with 1 polyps.", False),
        ("Create a picture that shows 1 polyps.", False),
        ("Generate an image with 2 polyps.", False),
        ("Create a picture that shows 2 polyps.", False),
        ("Generate an image with 3 polyps.", True),
    ]
    assert (study.protocol.images_per_set, study.protocol.references_per_case) == (3, 2)
    assert study.owner == alice
    assert "4 cases" in out.getvalue()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts_dataset": "nix"}, "No dataset “nix”; there are: data-set-"),
        ({"references_dataset": "nix"}, "No dataset “nix”"),
        ({"generators": "nix"}, "No generator “nix”; there are: zanzibar-model-"),
        ({"owner": "nobody"}, "No user “nobody”; there are: alice"),
        ({"pairs": 9}, "has 3 prompts with a rephrasing; 9 were asked for"),
        ({"pairs": 3, "practice": 1}, "has 3 prompts with a rephrasing, 1 of them for practice"),
        ({"pairs": 0}, "0 were asked for"),
        ({"references_per_case": None}, "Too few test images"),
        ({"images_per_set": 99}, "1 to 24"),
        ({"references_split": "train"}, "training split"),
    ],
)
def test_the_command_says_what_is_wrong(alice, changes, words):
    options = _options(a_dataset(pairs=3), **changes)
    with pytest.raises(CommandError, match=words):
        call_command("create_study", **options)
    assert not Study.objects.exists()


def test_the_command_adds_a_reader_and_shows_a_new_account_s_password_once():
    study, out = a_draft(), StringIO()
    call_command("add_reader", study.slug, "dora", create=True, email="d@example.org", stdout=out)
    user = get_user_model().objects.get(username="dora")
    password = out.getvalue().rsplit(" ", 1)[1].strip()
    assert user.check_password(password)
    assert len(password) >= 16
    assert study.readers.get().user == user


@pytest.mark.parametrize(
    ("study", "username", "create", "words"),
    [
        ("nix", "bob", False, "No study “nix”; there are: polyps"),
        ("polyps", "nobody", False, "add --create"),
        ("polyps", "bob", True, "leave out --create"),
        ("polyps", "alice", False, "owns this study"),
    ],
)
def test_adding_a_reader_says_what_is_wrong(bob, study, username, create, words):
    a_draft()
    with pytest.raises(CommandError, match=words):
        call_command("add_reader", study, username, create=create)
    assert not Reader.objects.exists()


def test_a_refused_reader_gets_no_account():
    study = a_study(state=State.CLOSED)
    with pytest.raises(CommandError, match="closed"):
        call_command("add_reader", study.slug, "dora", create=True)
    assert not get_user_model().objects.filter(username="dora").exists()
