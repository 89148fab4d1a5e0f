"""`manage.py study`, and that commands speak JSON."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Study
from generation.models import ImageSet, Run
from tests import builders

pytestmark = pytest.mark.django_db


def said(*arguments):
    """What a command says with --json."""
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_a_study_goes_through_its_life_in_a_shell(alice):
    dataset = builders.a_dataset(pairs=3, images_per_pair=4)
    generators = [builders.a_generator(trained_on=dataset) for _ in range(2)]
    slug = said(
        "create_study", "--title", "Polyps", "--prompts-dataset", dataset.slug, "--pairs", "2",
        "--references-dataset", dataset.slug, "--references-per-case", "2", "--practice", "0",
        "--generators", ",".join(g.slug for g in generators), "--seed", "1", "--owner", "alice",
        "--images-per-set", "2",
    )["study"]  # fmt: skip
    assert said("study", "show", slug)["state"] == "draft"
    made = said("study", "generate", slug)
    assert (made["state"], [arm["done"] for arm in made["arms"]]) == ("images", [0, 0])
    study = Study.objects.get()
    for arm in study.arms.all():
        for image_set in arm.run.image_sets.all():
            for index in range(2):
                builders.an_image(image_set=image_set, index=index)
            image_set.completed_at = study.created_at
            image_set.save()
        arm.run.chunks.update(status="done", done=8)
        arm.run.sum_up()
    assert said("study", "wait", slug)["arms"][0]["done"] == 8
    assert said("study", "check", slug)["state"] == "checked"
    assert said("study", "seal", slug)["manifest_digest"]
    added = said("add_reader", slug, "bob", "--create")
    assert (added["reader"], len(added["password"])) == ("R1", 16)
    assert said("study", "open", slug)["state"] == "running"
    assert said("audit_blinding", slug, "--readings", "1")["findings"] == []
    assert said("study", "close", slug)["readers"][0]["readings_submitted"] == 0
    assert said("study", "unblind", slug, "--reason", "All is in.")["state"] == "unblinded"
    assert [row["faults"] for row in said("verify_audit")] == [[]]
    assert [row["slug"] for row in said("study", "list")] == [slug]
    assert study.events.get(act="unblind").who == "alice"


def test_where_a_study_stands_is_said_in_words(running_study):
    out = StringIO()
    call_command("study", "show", running_study.slug, stdout=out)
    assert "“Polyps” is running. Next: wait for the readers, then close it." in out.getvalue()
    assert "R1: invited, 0 of 4 cases" in out.getvalue()
    out = StringIO()
    call_command("study", "list", stdout=out)
    assert out.getvalue() == "polyps: running, “Polyps”\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["close", "nothing"], "No study “nothing”; there are: polyps."),
        (["seal", "polyps"], "Can't seal “Polyps” now: it is running"),
        (["unblind", "polyps", "--reason", " "], "Say why the study is unblinded"),
        (["close", "polyps", "--by", "nobody"], "No user “nobody”"),
        (["melt", "polyps"], "invalid choice: 'melt'"),
        (["unblind", "polyps"], "arguments are required: --reason"),
    ],
)
def test_what_cant_be_done_is_one_clear_line(running_study, arguments, words):
    with pytest.raises(CommandError) as refused:
        call_command("study", *arguments)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert Study.objects.get().state == Study.State.RUNNING


def test_images_that_are_missing_end_the_waiting(alice):
    study = builders.a_study(state=Study.State.IMAGES, readers=[])
    Run.objects.update(status="failed")
    ImageSet.objects.update(completed_at=None)
    with pytest.raises(CommandError, match="Images are missing: run "):
        call_command("study", "wait", study.slug)
    with pytest.raises(CommandError, match="has asked for no images yet"):
        call_command("study", "wait", builders.a_draft(title="Draft").slug)
