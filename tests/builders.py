"""Rows for tests: each function makes one thing, complete and small, with real image files.

The cast: alice (researcher), bob and carol (readers), mallory (reader of another study).
"""

import hashlib
import io
from dataclasses import replace
from itertools import count

import numpy as np
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image as Pillow

from annotation.drafts import create_study
from annotation.models import CaseSet, Reading, Study
from annotation.plans import plan_reader
from annotation.protocols import Protocol, load_protocol
from annotation.readers import add_reader
from annotation.readings import save_ranking, save_score, submit_reading
from annotation.real_images import choose_hidden, choose_references
from annotation.studies import mark_checked, seal_study
from generation.models import Dataset, Generator, Image, ImageSet, Prompt, Run
from generation.permissions import RESEARCHERS

_number = count(1)
State = Study.State


def a_user(username, *, researcher=False, **fields):
    """An account whose password is its name."""
    User = get_user_model()
    user = User.objects.filter(username=username).first()
    user = user or User.objects.create_user(username, password=username, **fields)
    if researcher:
        user.groups.add(Group.objects.get_or_create(name=RESEARCHERS)[0])
    return user


def png(seed, *, size=16):
    """A PNG of coloured noise, different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def an_image(*, size=16, content=None, **fields):
    """A stored image; give `dataset` and `split`, or `image_set` and `index`."""
    number = next(_number)
    content = content or png(number, size=size)
    sha256 = hashlib.sha256(content).hexdigest()
    if "dataset" in fields:
        fields = {"kind": "real", "name": f"frame-{number:06d}.png", "split": "test", **fields}
    else:
        fields = {"kind": "generated", "seed": 10**12 + number, **fields}
    image = Image(sha256=sha256, width=size, height=size, **fields)
    image.file.save(f"images/{sha256[:2]}/{sha256}.png", ContentFile(content), save=False)
    image.save()
    return image


def a_dataset(*, pairs=2, images_per_pair=2, size=16, phantom=False):
    """A data set with `pairs` prompts, their rephrasings, and test images captioned by them."""
    number = next(_number)
    dataset = Dataset.objects.create(
        name=f"Data set {number}", slug=f"data-set-{number}", phantom=phantom
    )
    for i in range(1, pairs + 1):
        original = Prompt.objects.create(
            dataset=dataset, text=f"Generate an image with {i} polyps."
        )
        Prompt.objects.create(
            dataset=dataset, text=f"Create a picture that shows {i} polyps.", rephrasing_of=original
        )
        for _ in range(images_per_pair):
            an_image(dataset=dataset, size=size).prompts.add(original)
    return dataset


def a_generator(**fields):
    number = next(_number)
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Generator.objects.create(
        **{
            "name": f"Zanzibar model {number}",
            "slug": f"zanzibar-model-{number}",
            "family": "msdm",
            "checkpoint": f"checkpoints/zanzibar-{number}",
            "digest": digest,
            **fields,
        }
    )


def a_protocol(**changes) -> Protocol:
    """The paper's rubric with two small images a set and two references, without repeats, practice
    and consent, or as `changes` say. Other criteria come without the paper's plan of analysis."""
    if "criteria" in changes:
        changes = {"plan": None, **changes}
    small = {
        "images_per_set": 2, "references_per_case": 2, "image_size": 32, "repeats": 0,
        "practice": 0, "consent": "", "consent_version": "", "minimal_width": 0,
    }  # fmt: skip
    return replace(load_protocol("prompt-to-polyp"), **{**small, **changes})


def a_draft(*, owner=None, title="Polyps", pairs=2, arms=3, protocol=None, size=16, phantom=False):
    """A study with a case for each prompt and rephrasing of a new data set."""
    protocol = protocol or a_protocol()
    hidden = protocol.images_per_set if protocol.hidden_real else 0
    dataset = a_dataset(
        pairs=pairs + protocol.practice,
        images_per_pair=protocol.references_per_case + hidden,
        size=size,
        phantom=phantom,
    )
    prompts = list(dataset.prompts.all())
    practice = prompts[2 * pairs :: 2]
    real = {"prompts": prompts, "dataset": dataset, "split": "test", "seed": 1}
    references = choose_references(**real, count=protocol.references_per_case)
    return create_study(
        title=title,
        protocol=protocol,
        prompts=prompts[: 2 * pairs],
        practice=practice,
        references=references,
        hidden=choose_hidden(**real, count=hidden, references=references) if hidden else None,
        generators=[a_generator(trained_on=dataset) for _ in range(arms)],
        seed=20260101,
        owner=owner or a_user("alice", researcher=True),
    )


def complete_sets(study, *, size=16):
    """What `generate_images` and a worker leave: runs that are done, sets full of images."""
    n = study.protocol.images_per_set
    cases = list(study.cases.all())
    for arm in study.arms.exclude(generator=None):
        arm.run = Run.objects.create(
            generator=arm.generator,
            images_per_set=n,
            seed=study.seed,
            created_by=study.owner,
            status=Run.Status.DONE,
            done=n * len(cases),
            total=n * len(cases),
        )
        arm.save()
        for case in cases:
            image_set = ImageSet.objects.create(
                run=arm.run, prompt=case.prompt, completed_at=timezone.now()
            )
            for index in range(n):
                an_image(image_set=image_set, index=index, size=size)
            CaseSet.objects.create(case=case, arm=arm, image_set=image_set)
    Study.objects.filter(pk=study.pk).update(state=State.IMAGES)
    study.refresh_from_db()


def a_study(*, state=State.RUNNING, readers=("bob", "carol"), size=16, **fields) -> Study:
    """A study in any state up to closed, with these readers; further fields as in `a_draft`.

    Steps are the real ones, but for sampling and for the audit at opening.
    """
    study = a_draft(size=size, **fields)
    order = list(State)
    if order.index(state) >= order.index(State.IMAGES):
        complete_sets(study, size=size)
    if order.index(state) >= order.index(State.CHECKED):
        mark_checked(study=study, by=study.owner)
    if order.index(state) >= order.index(State.SEALED):
        seal_study(study=study, by=study.owner)
    for username in readers:
        add_reader(study=study, user=a_user(username), by=study.owner)
    if order.index(state) >= order.index(State.RUNNING):
        now = timezone.now()
        Study.objects.filter(pk=study.pk).update(
            state=state, opened_at=now, closed_at=None if state == State.RUNNING else now
        )
        for reader in study.readers.all():
            plan_reader(reader)
    study.refresh_from_db()
    return study


def a_reading(study, username="bob", *, position=1) -> Reading:
    return Reading.objects.get(
        reader__study=study, reader__user__username=username, position=position
    )


def rate(reading, *, score=None, sequence=1000):
    """Answer a reading of a running study to the end, as its reader would.

    `score` is a function of (reading set, criterion key) to a value; without it a fixed pattern.
    """
    score = score or (lambda shown, key: (shown.pk + len(key)) % 11)
    for shown in reading.sets.all():
        for criterion in reading.reader.study.protocol.rated:
            save_score(
                reading=reading,
                letter=shown.letter,
                criterion=criterion.key,
                value=score(shown, criterion.key),
                sequence=sequence,
            )
    if reading.reader.study.protocol.ranking:
        letters = [shown.letter for shown in reading.sets.all()]
        save_ranking(reading=reading, tiers=[[letter] for letter in letters], sequence=sequence)
    assert submit_reading(reading) == []
