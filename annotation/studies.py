"""What happens to a study as a whole, from its making to its unblinding.

Every step is a compare-and-set on the study's state and leaves an `AuditEvent`; a step that can't
be taken raises `StudyError` and changes nothing.
"""

import hashlib
import random
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone
from django.utils.text import slugify

from annotation.audits import audit_blinding
from annotation.design import MAX_ARMS
from annotation.manifest import build_manifest, manifest_digest, still_as_sealed
from annotation.models import Arm, AuditEvent, Case, CaseReference, CaseSet, Reader, Study
from annotation.protocols import Protocol
from annotation.readings import plan_reader
from generation.imported_sets import imported_run
from generation.imports import ImportRefused
from generation.models import Dataset, Generator, Image, Prompt, Run
from generation.permissions import RESEARCHERS, is_researcher
from generation.runs import create_run, enqueue_run

State = Study.State


class StudyError(ValueError):
    """The study can't be made or moved on; the message says what is wrong and how to mend it."""


# Making


@transaction.atomic
def create_study(
    *,
    title: str,
    protocol: Protocol,
    prompts: Sequence[Prompt],
    references: Mapping[int, Sequence[Image]],
    generators: Sequence[Generator],
    seed: int,
    owner: User,
) -> Study:
    """Make a draft: one case for each prompt, one arm for each generator.

    Args:
        references: the real images of each prompt, by its primary key, in the order shown.
        seed: 0 to 2**63 − 1; image seeds come from it. Plans come from a secret of their own.
    """
    _check_parts(title, prompts, generators, seed, owner)
    _check_references(protocol, prompts, references)
    for generator in generators:
        if not generator.can_sample:
            _imported(generator, prompts, protocol, owner)
    study = Study.objects.create(
        title=title.strip(),
        slug=_free_slug(title),
        owner=owner,
        protocol_data=protocol.to_dict(),
        seed=seed,
        secret=secrets.token_hex(32),
    )
    Arm.objects.bulk_create(
        Arm(study=study, position=i, generator=generator)
        for i, generator in enumerate(generators, 1)
    )
    cases = Case.objects.bulk_create(
        Case(study=study, position=i, prompt=prompt) for i, prompt in enumerate(prompts, 1)
    )
    CaseReference.objects.bulk_create(
        CaseReference(case=case, image=image, position=i)
        for case in cases
        for i, image in enumerate(references[case.prompt_id], 1)
    )
    _record(study, "create", owner, cases=len(cases), arms=len(generators))
    return study


def choose_references(
    *, prompts: Sequence[Prompt], dataset: Dataset, split: str, count: int, seed: int
) -> dict[int, list[Image]]:
    """For each prompt `count` real images captioned by it, its original or their reference caption.

    Both prompts of a pair share their images. Pairs get different images as far as there are
    enough; those with the fewest candidates choose first. The choice follows from `seed` and the
    images' bytes alone.
    """
    if split == Image.Split.TRAIN:
        raise StudyError("References can't come from the training split: name another one.")
    splits = dataset.splits()
    if split not in splits:
        has = ", ".join(splits) or "no images"
        raise StudyError(f"“{dataset}” has no split “{split}”; it has: {has}.")
    captioned: dict[str, set[Image]] = {}
    for image in dataset.images.real().filter(split=split).prefetch_related("prompts"):
        for caption in image.prompts.all():
            captioned.setdefault(_plain(caption.text), set()).add(image)
    candidates: dict[int, set[Image]] = {}
    for prompt in prompts:
        found = candidates.setdefault(prompt.original.pk, set())
        for text in (prompt.text, prompt.original.text, prompt.original.reference_caption):
            found |= captioned.get(_plain(text), set())
    short = [
        f"“{prompt}” ({len(candidates[prompt.pk])} of {count})"
        for prompt in dict.fromkeys(prompt.original for prompt in prompts)
        if len(candidates[prompt.pk]) < count
    ]
    if short:
        raise StudyError(
            f"Too few {split} images of “{dataset}” carry these prompts as captions: "
            f"{_list(short)}. Choose other prompts or fewer references per case."
        )
    used: Counter[Image] = Counter()
    chosen: dict[int, list[Image]] = {}
    for pair in sorted(candidates, key=lambda pair: (len(candidates[pair]), pair)):
        order = sorted(candidates[pair], key=lambda image: image.sha256)
        random.Random(f"{seed} {len(chosen)}").shuffle(order)
        chosen[pair] = sorted(order, key=lambda image: used[image])[:count]
        used.update(chosen[pair])
    return {prompt.pk: chosen[prompt.original.pk] for prompt in prompts}


def _check_parts(
    title: str,
    prompts: Sequence[Prompt],
    generators: Sequence[Generator],
    seed: int,
    owner: User,
) -> None:
    if not slugify(title):
        raise StudyError("Give the study a title with letters or digits in it.")
    if len(title.strip()) > 160:
        raise StudyError(f"The title has {len(title.strip())} characters; 160 are the most.")
    for text in (title, *(prompt.text for prompt in prompts)):
        named = [g.name for g in generators if g.name.lower() in text.lower()]
        if named:
            raise StudyError(f"Readers see “{text}”, and it names the generator “{named[0]}”.")
    if not 1 <= len(generators) <= MAX_ARMS or len(set(generators)) != len(generators):
        raise StudyError(f"A study compares 1 to {MAX_ARMS} generators, each named once.")
    if not prompts or len(set(prompts)) != len(prompts):
        raise StudyError("A study needs prompts, each named once.")
    pairs = Counter(prompt.rephrasing_of_id or prompt.pk for prompt in prompts)
    if max(pairs.values()) > 2:
        raise StudyError("A pair is a prompt and one rephrasing: leave the other rephrasings out.")
    if not 0 <= seed < 2**63:
        raise StudyError("The seed must be a whole number from 0 to 2**63 − 1.")
    if not is_researcher(owner):
        raise StudyError(f"{owner} is no researcher: add them to the group “{RESEARCHERS}”.")


def _imported(
    generator: Generator, prompts: Sequence[Prompt], protocol: Protocol, owner: User
) -> Run:
    """The run of a generator that was imported as images; several studies may share it."""
    try:
        return imported_run(
            generator=generator, prompts=prompts, images_per_set=protocol.images_per_set, user=owner
        )
    except ImportRefused as error:
        raise StudyError(str(error)) from error


def _check_references(
    protocol: Protocol, prompts: Sequence[Prompt], references: Mapping[int, Sequence[Image]]
) -> None:
    count = protocol.references_per_case
    for prompt in prompts:
        images = references.get(prompt.pk, ())
        if len(images) != count or len(set(images)) != count:
            raise StudyError(
                f"“{prompt}” has {len(set(images))} reference images; the protocol shows {count}."
            )
        if any(image.kind != Image.Kind.REAL for image in images):
            raise StudyError(f"A reference image of “{prompt}” is generated: only real ones go.")
    _check_not_trained_on(image for images in references.values() for image in images)


def _check_not_trained_on(references: Iterable[Image]) -> None:
    """Compares bytes, so that a copy under another name or in another data set is found too."""
    digests = {image.sha256 for image in references}
    seen = Image.objects.real().filter(split=Image.Split.TRAIN, sha256__in=digests)
    if seen.exists():
        raise StudyError(
            f"{seen.count()} reference images stand in a training split, for example "
            f"“{seen.first()}”: choose images that no generator was trained on."
        )


# Moving on


@transaction.atomic
def generate_images(*, study: Study, by: User) -> None:
    """Draft → images: one run for each arm, queued; imported images are there already."""
    _step(study, act="generate", by=by, when=[State.DRAFT], to=State.IMAGES)
    cases = list(study.cases.select_related("prompt"))
    prompts = [case.prompt for case in cases]
    for arm in study.arms.select_related("generator"):
        if arm.generator.can_sample:
            arm.run = create_run(
                generator=arm.generator,
                prompts=prompts,
                images_per_set=study.protocol.images_per_set,
                seed=study.seed,
                by=by,
            )
        else:
            arm.run = _imported(arm.generator, prompts, study.protocol, study.owner)
        arm.save(update_fields=["run"])
        sets = {image_set.prompt_id: image_set for image_set in arm.run.image_sets.all()}
        CaseSet.objects.bulk_create(
            CaseSet(case=case, arm=arm, image_set=sets[case.prompt_id]) for case in cases
        )
        if arm.run.unfinished:
            enqueue_run(arm.run)


@transaction.atomic
def mark_checked(*, study: Study, by: User) -> None:
    """Images → checked: all sets are complete, and a person has looked at them."""
    _check_state(study, act="check", when=[State.IMAGES])
    _check_complete(study)
    _step(study, act="check", by=by, when=[State.IMAGES], to=State.CHECKED)


@transaction.atomic
def seal_study(*, study: Study, by: User) -> None:
    """Checked → sealed: fix what readers will see in a manifest, and plan the readers."""
    _check_state(study, act="seal", when=[State.CHECKED])
    _check_complete(study)
    _check_references(
        study.protocol,
        [case.prompt for case in study.cases.select_related("prompt")],
        {
            case.prompt_id: [link.image for link in case.casereference_set.all()]
            for case in study.cases.prefetch_related("casereference_set__image")
        },
    )
    _check_files(study)
    manifest = build_manifest(study)
    digest = manifest_digest(manifest)
    _step(
        study,
        act="seal",
        by=by,
        when=[State.CHECKED],
        to=State.SEALED,
        detail={"manifest": digest},
        manifest=manifest,
        manifest_digest=digest,
        sealed_at=timezone.now(),
    )
    for reader in study.readers.all():
        plan_reader(reader)


@transaction.atomic
def open_study(*, study: Study, by: User) -> None:
    """Sealed → running, unless something changed since sealing or a reader could see a name."""
    _check_state(study, act="open", when=[State.SEALED])
    if not study.readers.exclude(state=Reader.State.REVOKED).exists():
        raise StudyError("Nobody reads this study yet: add a reader first.")
    if not still_as_sealed(study):
        raise StudyError(
            "Prompts, images or generators have changed since the study was sealed, so it can't "
            "be opened. Undo the change, or make a new study."
        )
    for reader in study.readers.all():
        plan_reader(reader)
    audit = audit_blinding(study=study, readings_per_reader=1)
    if audit.findings:
        raise StudyError(f"Readers could see what they must not: {_list(audit.findings)}.")
    _step(study, act="open", by=by, when=[State.SEALED], to=State.RUNNING, opened_at=timezone.now())


@transaction.atomic
def close_study(*, study: Study, by: User) -> None:
    """Running → closed: no more answers; results by arm may be seen."""
    _check_state(study, act="close", when=[State.RUNNING])
    readings = study.readers.aggregate(
        submitted=Count("readings", filter=Q(readings__submitted_at__isnull=False)),
        planned=Count("readings"),
    )
    _step(
        study,
        act="close",
        by=by,
        when=[State.RUNNING],
        to=State.UNBLINDED if study.unblinded_at else State.CLOSED,
        detail={**readings, "as_sealed": still_as_sealed(study)},
        closed_at=timezone.now(),
    )


def unblind_study(*, study: Study, by: User, reason: str) -> None:
    """Show results by arm. A running study goes on running, and the event stays on record."""
    if not reason.strip():
        raise StudyError("Say why the study is unblinded: the reason is kept with it.")
    _check_state(study, act="unblind", when=[State.RUNNING, State.CLOSED])
    if study.unblinded_at:
        raise StudyError("This study has been unblinded already.")
    _step(
        study,
        act="unblind",
        by=by,
        when=[study.state],
        to=State.UNBLINDED if study.state == State.CLOSED else study.state,
        detail={"reason": reason.strip(), "while": study.state},
        unblinded_at=timezone.now(),
    )


@transaction.atomic
def add_reader(*, study: Study, user: User, by: User) -> Reader:
    """Give a person the next slot in the plan; one who has a slot already keeps it."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    _check_state(
        study,
        act="add readers to",
        when=[State.DRAFT, State.IMAGES, State.CHECKED, State.SEALED, State.RUNNING],
    )
    if user.pk == study.owner_id:
        raise StudyError(f"{user} owns this study and so knows too much to read it.")
    if user.is_staff or user.is_superuser:
        raise StudyError(f"{user} can see the plan in the admin, and so can't read the study.")
    if not user.is_active:
        raise StudyError(f"The account {user} is not active: activate it first.")
    reader = study.readers.filter(user_id=user.pk).first()
    if reader is None:
        last = study.readers.aggregate(last=Max("number"))["last"] or 0
        reader = Reader.objects.create(
            study=study, user=user, number=last + 1, slot=_free_slot(study)
        )
        _record(study, "add reader", by, reader=str(reader), user=user.get_username())
    if study.state in (State.SEALED, State.RUNNING):
        plan_reader(reader)
    return reader


def revoke_reader(*, study: Study, reader: Reader, by: User, reason: str) -> None:
    """End a reader's part: they see the study no more, their answers stay on record but count for
    nothing, and the next reader gets their slot, so that the plan keeps its balance."""
    if not reason.strip():
        raise StudyError("Say why the reader's part ends: the reason is kept with it.")
    when = [State.DRAFT, State.IMAGES, State.CHECKED, State.SEALED, State.RUNNING]
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        _check_state(study, act="revoke readers of", when=when)
        rows = study.readers.filter(pk=reader.pk).exclude(state=Reader.State.REVOKED)
        if not rows.update(state=Reader.State.REVOKED):
            raise StudyError(f"The part of {reader} has ended already.")
        _record(study, "revoke reader", by, reader=str(reader), reason=reason.strip())


def _free_slot(study: Study) -> int:
    """The first place in the balanced plan that no active reader has."""
    taken = set(study.readers.exclude(state=Reader.State.REVOKED).values_list("slot", flat=True))
    return next(slot for slot in range(1, len(taken) + 2) if slot not in taken)


# Parts of steps


def _step(
    study: Study,
    *,
    act: str,
    by: User,
    when: Sequence[str],
    to: str,
    detail: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    with transaction.atomic():
        if not Study.objects.filter(pk=study.pk, state__in=when).update(state=to, **fields):
            _check_state(study, act=act, when=when)
        _record(study, act, by, **(detail or {}))
    study.refresh_from_db()


def _check_state(study: Study, *, act: str, when: Sequence[str]) -> None:
    study.refresh_from_db()
    if study.state not in when:
        raise StudyError(
            f"Can't {act} “{study}” now: it is {State(study.state).label.lower()}, "
            f"and must be {' or '.join(State(state).label.lower() for state in when)}."
        )


def _check_complete(study: Study) -> None:
    wanted = study.protocol.images_per_set
    sets = (
        CaseSet.objects.filter(case__study=study)
        .select_related("case", "arm__generator", "image_set")
        .annotate(images=Count("image_set__images"))
    )
    missing = [
        f"{shown.arm}, {shown.case} ({shown.images} of {wanted} images)"
        for shown in sets
        if shown.images != wanted or not shown.image_set.completed_at
    ]
    if missing:
        raise StudyError(f"{len(missing)} of {len(sets)} sets are not complete: {_list(missing)}.")
    if len(sets) != study.cases.count() * study.arms.count():
        raise StudyError("Some arms have no set in some cases: generate the images first.")


def _check_files(study: Study) -> None:
    shown = Q(image_set__case_sets__case__study=study) | Q(cases__study=study)
    damaged = []
    for image in Image.objects.filter(pk__in=Image.objects.filter(shown).values("pk")):
        try:
            with image.file.open() as file:
                intact = hashlib.sha256(file.read()).hexdigest() == image.sha256
        except OSError:
            intact = False
        if not intact:
            damaged.append(str(image))
    if damaged:
        raise StudyError(f"Image files are missing or have changed: {_list(damaged)}.")


def _record(study: Study, act: str, by: User, **detail: Any) -> None:
    AuditEvent.objects.create(study=study, actor=by, act=act, detail=detail)


def _free_slug(title: str) -> str:
    base = slugify(title)[:50].strip("-")
    taken = set(Study.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    numbered = (f"{base}-{n}" for n in range(2, len(taken) + 3))
    return next(slug for slug in (base, *numbered) if slug not in taken)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _list(items: Sequence[str], most: int = 5) -> str:
    rest = len(items) - most
    return "; ".join(items[:most]) + (f"; and {rest} more" if rest > 0 else "")
