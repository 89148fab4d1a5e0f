from dataclasses import replace

import pytest
from django.conf import settings
from django.utils import timezone

from annotation.drafts import create_study
from annotation.errors import StudyError
from annotation.manifest import build_manifest, manifest_digest, still_as_sealed
from annotation.models import CaseSet, Reading, Study
from annotation.real_images import choose_references
from annotation.studies import (
    close_study,
    generate_images,
    mark_checked,
    open_study,
    seal_study,
    unblind_study,
)
from generation.models import Generator, Image, ImageSet, Prompt, Run
from tests import builders
from tests.builders import a_dataset, a_draft, a_generator, a_protocol, a_study, a_user, an_image

pytestmark = pytest.mark.django_db
State = Study.State


# Making


def _parts(alice, **changes):
    dataset = a_dataset()
    prompts = list(dataset.prompts.all())
    return {
        "title": "Polyps",
        "protocol": a_protocol(),
        "prompts": prompts,
        "references": choose_references(
            prompts=prompts, dataset=dataset, split="test", count=2, seed=0
        ),
        "generators": [a_generator(), a_generator()],
        "seed": 7,
        "owner": alice,
        **changes,
    }


def test_a_draft_has_a_case_for_each_prompt_and_an_arm_for_each_generator(alice):
    parts = _parts(alice)
    study = create_study(**parts)
    assert study.state == State.DRAFT
    assert [case.prompt for case in study.cases.all()] == parts["prompts"]
    assert [arm.generator for arm in study.arms.all()] == parts["generators"]
    for case in study.cases.all():
        shown = [link.image for link in case.casereference_set.all()]
        assert shown == parts["references"][case.prompt_id]
    plan = replace(parts["protocol"].plan, embedder=settings.EMBEDDER)  # where it names none
    assert study.protocol == replace(parts["protocol"], plan=plan)
    assert [event.act for event in study.events.all()] == ["create"]


def test_two_studies_of_one_title_have_their_own_slugs_and_secrets(alice):
    one, two, three = (create_study(**_parts(alice)) for _ in range(3))
    assert [one.slug, two.slug, three.slug] == ["polyps", "polyps-2", "polyps-3"]
    assert len({one.secret, two.secret, three.secret}) == 3
    assert len(one.secret) == 64


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: {"title": " – "}, "letters or digits"),
        (lambda p: {"title": "x" * 161}, "160"),
        (lambda p: {"title": f"Is {p['generators'][0].name.upper()} good?"}, "names the generator"),
        (lambda p: {"generators": [a_generator(name="2 POLYPS")]}, "names the generator"),
        (lambda p: {"generators": []}, "1 to 8"),
        (lambda p: {"generators": p["generators"][:1] * 2}, "once"),
        (lambda p: {"prompts": []}, "needs prompts"),
        (lambda p: {"prompts": p["prompts"][:1] * 2}, "once"),
        (lambda p: {"protocol": a_protocol(checks=1)}, "1 attention checks, and 4 cases have room"),
        (lambda p: {"seed": -1}, "seed"),
        (lambda p: {"seed": 2**63}, "seed"),
        (lambda p: {"owner": a_user("dora")}, "no researcher"),
        (lambda p: {"references": {}}, "0 reference images; the protocol shows 2"),
        (
            lambda p: {"references": {k: [v[0], v[0]] for k, v in p["references"].items()}},
            "1 reference images",
        ),
    ],
)
def test_a_study_that_makes_no_sense_is_refused_and_leaves_nothing(alice, change, words):
    parts = _parts(alice)
    with pytest.raises(StudyError, match=words):
        create_study(**{**parts, **change(parts)})
    assert not Study.objects.exists()


def test_two_rephrasings_of_one_prompt_are_refused(alice):
    parts = _parts(alice)
    original = parts["prompts"][0]
    second = Prompt.objects.create(
        dataset=original.dataset, text="Once more.", rephrasing_of=original
    )
    with pytest.raises(StudyError, match="one rephrasing"):
        create_study(**{**parts, "prompts": [*parts["prompts"], second]})


def test_references_that_a_generator_was_trained_on_are_refused(alice):
    """By their bytes: the copy has another name and lies in another data set."""
    parts = _parts(alice)
    reference = next(iter(parts["references"].values()))[0]
    with reference.file.open() as file:
        content = file.read()
    an_image(dataset=a_dataset(), split="train", content=content)
    with pytest.raises(StudyError, match="stand in a training split"):
        create_study(**parts)


def test_a_generated_image_is_no_reference(alice):
    parts = _parts(alice)
    generated = Image.objects.generated()
    builders.complete_sets(create_study(**parts))
    prompt = parts["prompts"][0].pk
    references = {**parts["references"], prompt: list(generated[:2])}
    with pytest.raises(StudyError, match="generated"):
        create_study(**{**parts, "references": references})


# References


def test_a_pair_shares_its_references_and_pairs_share_none_where_there_are_enough():
    dataset = a_dataset(pairs=3, images_per_pair=0)
    prompts = list(dataset.prompts.all())
    originals = [prompt for prompt in prompts if not prompt.rephrasing_of]
    for captions in [originals] * 4 + [originals[:1]] * 2:
        an_image(dataset=dataset).prompts.set(captions)
    chosen = choose_references(prompts=prompts, dataset=dataset, split="test", count=2, seed=3)
    for prompt in prompts:
        assert chosen[prompt.pk] == chosen[prompt.original.pk]
    used = [image for prompt in originals for image in chosen[prompt.pk]]
    assert len(used) == len(set(used)) == 6


def test_captions_match_whatever_their_spaces_and_case_and_in_another_data_set():
    prompts = list(a_dataset(pairs=1).prompts.all())
    real = a_dataset(pairs=0)
    caption = Prompt.objects.create(dataset=real, text="generate an  IMAGE with 1 polyps.")
    image = an_image(dataset=real)
    image.prompts.add(caption)
    chosen = choose_references(prompts=prompts, dataset=real, split="test", count=1, seed=0)
    assert set(chosen) == {prompt.pk for prompt in prompts}
    assert all(images == [image] for images in chosen.values())


def test_the_choice_of_references_follows_from_the_seed():
    dataset = a_dataset(pairs=1, images_per_pair=12)
    prompts = list(dataset.prompts.all())

    def chosen(seed):
        images = choose_references(
            prompts=prompts, dataset=dataset, split="test", count=6, seed=seed
        )
        return [image.pk for image in images[prompts[0].pk]]

    assert chosen(1) == chosen(1)
    assert len({tuple(chosen(seed)) for seed in range(5)}) == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "train"}, "training split"),
        ({"split": "tset"}, "no split “tset”; it has: test"),
        ({"count": 3}, r"“Generate an image with 1 polyps.” \(2 of 3\); .*2 polyps"),
    ],
)
def test_references_that_can_t_be_found_are_named(options, words):
    dataset = a_dataset()
    with pytest.raises(StudyError, match=words):
        choose_references(
            **{
                "prompts": list(dataset.prompts.all()),
                "dataset": dataset,
                "split": "test",
                "count": 2,
                "seed": 0,
                **options,
            }
        )


# Moving on


def test_generating_makes_one_queued_run_for_each_arm_and_a_set_for_each_case(alice):
    study = a_draft()
    generate_images(study=study, by=alice)
    assert study.state == State.IMAGES
    for arm in study.arms.all():
        assert arm.run.status == Run.Status.QUEUED
        assert arm.run.generator == arm.generator
        assert arm.run.total == len(study.cases.all()) * study.protocol.images_per_set
        assert [shown.image_set.prompt for shown in arm.sets.all()] == [
            case.prompt for case in study.cases.all()
        ]


ACTS = {
    "generate": generate_images,
    "check": mark_checked,
    "seal": seal_study,
    "open": open_study,
    "close": close_study,
    "unblind": lambda **kwargs: unblind_study(reason="curious", **kwargs),
}
ALLOWED = {
    "generate": [State.DRAFT],
    "check": [State.IMAGES],
    "seal": [State.CHECKED],
    "open": [State.SEALED],
    "close": [State.RUNNING],
    "unblind": [State.RUNNING, State.CLOSED],
}


@pytest.mark.parametrize("state", [s for s in State if s != State.UNBLINDED])
def test_a_step_out_of_its_order_is_refused_and_changes_nothing(alice, state):
    study = a_study(state=state)
    events = study.events.count()
    for act, function in ACTS.items():
        if state not in ALLOWED[act]:
            with pytest.raises(StudyError, match="now: it is"):
                function(study=study, by=alice)
    study.refresh_from_db()
    assert study.state == state
    assert study.events.count() == events


def test_a_second_click_finds_the_step_taken(alice):
    study = a_study(state=State.RUNNING)
    twin = Study.objects.get(pk=study.pk)
    close_study(study=study, by=alice)
    with pytest.raises(StudyError, match="it is closed"):
        close_study(study=twin, by=alice)
    assert study.events.filter(act="close").count() == 1


def test_incomplete_sets_can_t_be_checked(alice):
    study = a_study(state=State.IMAGES)
    incomplete = CaseSet.objects.filter(case__study=study)[1].image_set
    incomplete.images.last().delete()
    with pytest.raises(StudyError, match=r"1 of 12 sets are not complete: .*\(1 of 2 images\)"):
        mark_checked(study=study, by=alice)
    assert study.state == State.IMAGES


def test_a_set_still_being_sampled_can_t_be_checked(alice):
    study = a_study(state=State.IMAGES)
    image_set = CaseSet.objects.filter(case__study=study).first().image_set
    image_set.completed_at = None
    image_set.save()
    with pytest.raises(StudyError, match="1 of 12 sets"):
        mark_checked(study=study, by=alice)


def test_sealing_fixes_protocol_arms_cases_and_every_image(alice):
    study = a_study(state=State.CHECKED)
    seal_study(study=study, by=alice)
    manifest = study.manifest
    assert manifest["protocol"] == study.protocol.to_dict()
    digests = [arm.generator.digest for arm in study.arms.all()]
    assert [arm["digest"] for arm in manifest["arms"]] == digests
    sealed = {
        image["sha256"] for case in manifest["cases"] for s in case["sets"] for image in s["images"]
    }
    assert sealed == set(Image.objects.generated().values_list("sha256", flat=True))
    assert [len(case["references"]) for case in manifest["cases"]] == [2, 2, 2, 2]
    assert study.manifest_digest == manifest_digest(manifest)
    assert study.sealed_at
    assert study.events.last().detail == {"manifest": study.manifest_digest}


def test_the_manifest_s_digest_outlives_the_database(alice):
    study = a_study(state=State.SEALED)
    assert manifest_digest(Study.objects.get(pk=study.pk).manifest) == study.manifest_digest
    assert manifest_digest(build_manifest(study)) == study.manifest_digest
    backwards = dict(reversed(study.manifest.items()))
    assert manifest_digest(backwards) == study.manifest_digest


def _lose_a_file(study):
    image = Image.objects.generated().first()
    image.file.storage.delete(image.file.name)


def _swap_a_file(study):
    image = Image.objects.real().first()
    with image.file.storage.open(image.file.name, "wb") as file:
        file.write(builders.png(0))


def _train_on_a_reference(study):
    image = study.cases.first().references.first()
    image.split = "train"
    image.save()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_lose_a_file, "missing or have changed: set"),
        (_swap_a_file, "missing or have changed: frame"),
        (_train_on_a_reference, "training split"),
    ],
)
def test_a_damaged_study_can_t_be_sealed(alice, damage, words):
    study = a_study(state=State.CHECKED)
    damage(study)
    with pytest.raises(StudyError, match=words):
        seal_study(study=study, by=alice)
    study.refresh_from_db()
    assert study.state == State.CHECKED
    assert study.manifest is None


def _reword_a_prompt(study):
    prompt = study.cases.first().prompt
    Prompt.objects.filter(pk=prompt.pk).update(text="Generate something else.")


def _swap_two_sets(study):
    one, two = CaseSet.objects.filter(case=study.cases.first())[:2]
    one.links.all().delete()
    two.links.update(case_set=one)


def _change_the_protocol(study):
    Study.objects.filter(pk=study.pk).update(protocol_data={**study.protocol_data, "image_size": 9})


def _replace_a_generator(study):
    Generator.objects.filter(arms__study=study).update(digest="0" * 64)


def _set_a_generator_otherwise(study):
    Generator.objects.filter(arms__study=study).update(settings={"guidance_scale": 9})


@pytest.mark.parametrize(
    "change",
    [
        _reword_a_prompt,
        _swap_two_sets,
        _change_the_protocol,
        _replace_a_generator,
        _set_a_generator_otherwise,
    ],
)
def test_a_study_that_changed_since_it_was_sealed_can_t_be_opened(alice, change):
    study = a_study(state=State.SEALED)
    assert still_as_sealed(study)
    change(study)
    with pytest.raises(StudyError, match="changed since the study was sealed"):
        open_study(study=study, by=alice)
    assert study.state == State.SEALED


def test_a_study_without_readers_can_t_be_opened(alice):
    study = a_study(state=State.SEALED, readers=[])
    with pytest.raises(StudyError, match="Nobody reads this study yet"):
        open_study(study=study, by=alice)


def test_opening_a_sealed_study_lets_its_readers_in(alice, bob):
    study = a_study(state=State.SEALED)
    assert not Reading.objects.for_reader(bob).exists()
    open_study(study=study, by=alice)
    assert study.state == State.RUNNING
    assert study.opened_at
    assert Reading.objects.for_reader(bob).count() == 4


def test_closing_counts_the_readings_and_keeps_readers_out(running_study, alice, bob):
    builders.rate(builders.a_reading(running_study))
    close_study(study=running_study, by=alice)
    assert running_study.state == State.CLOSED
    assert running_study.results_visible
    detail = running_study.events.last().detail
    assert len(detail.pop("answers")) == 64
    assert detail == {"submitted": 1, "planned": 8, "as_sealed": True}
    assert not Reading.objects.for_reader(bob).exists()


def test_a_change_while_the_study_ran_is_on_record_when_it_closes(running_study, alice):
    _reword_a_prompt(running_study)
    close_study(study=running_study, by=alice)
    assert running_study.events.last().detail["as_sealed"] is False


def test_unblinding_a_running_study_is_recorded_and_lets_it_run(running_study, alice):
    assert not running_study.results_visible
    unblind_study(study=running_study, by=alice, reason=" Safety question ")
    assert running_study.state == State.RUNNING
    assert running_study.results_visible
    event = running_study.events.get(act="unblind")
    assert (event.actor, event.told["reason"]) == (alice, "Safety question")
    with pytest.raises(StudyError, match="already"):
        unblind_study(study=running_study, by=alice, reason="Again")
    close_study(study=running_study, by=alice)
    assert running_study.state == State.UNBLINDED


def test_unblinding_a_closed_study_is_its_last_step(alice):
    study = a_study(state=State.CLOSED)
    unblind_study(study=study, by=alice, reason="Done")
    assert study.state == State.UNBLINDED


def test_unblinding_needs_a_reason(running_study, alice):
    with pytest.raises(StudyError, match="Say why"):
        unblind_study(study=running_study, by=alice, reason="  ")
    assert not running_study.results_visible


def test_a_study_of_more_than_a_thousand_sets_is_checked(alice):
    study = a_draft(owner=alice, pairs=65, arms=8, protocol=a_protocol(images_per_set=1))
    cases = list(study.cases.all())
    for arm in study.arms.all():
        arm.run = Run.objects.create(
            generator=arm.generator, images_per_set=1, seed=1, created_by=alice, status="done"
        )
        arm.save()
        sets = ImageSet.objects.bulk_create(
            ImageSet(run=arm.run, prompt=case.prompt, completed_at=timezone.now()) for case in cases
        )
        Image.objects.bulk_create(
            Image(kind="generated", file="x", sha256="x", width=1, height=1, image_set=s, index=0)
            for s in sets
        )
        CaseSet.objects.bulk_create(
            CaseSet(case=case, arm=arm, image_set=s) for case, s in zip(cases, sets, strict=True)
        )
    Study.objects.filter(pk=study.pk).update(state=State.IMAGES)
    mark_checked(study=study, by=alice)
    assert study.state == State.CHECKED
    assert CaseSet.objects.filter(links__position=1).count() == 8 * 130
