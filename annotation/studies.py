"""What happens to a study as a whole, from its making to its unblinding.

Every step is a compare-and-set on the study's state and leaves an `AuditEvent`; a step that can't
be taken raises `StudyError` and changes nothing.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.text import slugify

from annotation.audits import readings_at_once, record_audit
from annotation.design import MAX_ARMS, most_checks
from annotation.errors import StudyError, listed
from annotation.manifest import build_manifest, manifest_digest, still_as_sealed
from annotation.models import Arm, Case, CaseImage, CaseReference, CaseSet, Reader, Study
from annotation.plans import plan_reader
from annotation.protocols import Protocol
from annotation.real_images import Choice, check_hidden, check_references
from annotation.steps import check_state, record, step
from generation.imported_sets import imported_run
from generation.imports import ImportRefused
from generation.models import Generator, Image, Prompt, Run
from generation.permissions import RESEARCHERS, is_researcher
from generation.runs import create_run, enqueue_run

State = Study.State


# Making


@transaction.atomic
def create_study(
    *,
    title: str,
    protocol: Protocol,
    prompts: Sequence[Prompt],
    references: Choice,
    generators: Sequence[Generator],
    seed: int,
    owner: User,
    practice: Sequence[Prompt] = (),
    hidden: Choice | None = None,
) -> Study:
    """Make a draft: one case for each prompt, one arm for each generator.

    Args:
        references: the real images of each prompt, practice included.
        seed: 0 to 2**63 − 1; image seeds come from it. Plans come from a secret of their own.
        practice: prompts of the cases that come first and don't count.
        hidden: where the protocol hides real images among the arms, those of each prompt.
    """
    _check_texts(title, [*prompts, *practice], generators)
    _check_parts(protocol, prompts, practice, generators)
    if not 0 <= seed < 2**63:
        raise StudyError("The seed must be a whole number from 0 to 2**63 − 1.")
    if not is_researcher(owner):
        raise StudyError(f"{owner} is no researcher: add them to the group “{RESEARCHERS}”.")
    everything = [*prompts, *practice]
    check_references(protocol, everything, references)
    if protocol.hidden_real:
        check_hidden(protocol, everything, hidden or {}, references)
    for generator in generators:
        if not generator.can_sample:
            _imported(generator, everything, protocol, owner)
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
        Case(study=study, position=i, prompt=prompt, practice=i > len(prompts))
        for i, prompt in enumerate(everything, 1)
    )
    CaseReference.objects.bulk_create(
        CaseReference(case=case, image=image, position=i)
        for case in cases
        for i, image in enumerate(references.get(case.prompt_id, ()), 1)
    )
    if protocol.hidden_real and hidden:
        _hide_real_images(study, cases, hidden)
    record(study, "create", owner, cases=len(prompts), arms=study.arms.count())
    return study


def _hide_real_images(study: Study, cases: Sequence[Case], hidden: Choice) -> None:
    arm = Arm.objects.create(study=study, position=study.arms.count() + 1)
    sets = CaseSet.objects.bulk_create(CaseSet(case=case, arm=arm) for case in cases)
    CaseImage.objects.bulk_create(
        CaseImage(case_set=shown, image=image, position=i)
        for shown in sets
        for i, image in enumerate(hidden[shown.case.prompt_id], 1)
    )


def _check_texts(title: str, prompts: Sequence[Prompt], generators: Sequence[Generator]) -> None:
    if not slugify(title):
        raise StudyError("Give the study a title with letters or digits in it.")
    if len(title.strip()) > 160:
        raise StudyError(f"The title has {len(title.strip())} characters; 160 are the most.")
    for text in (title, *(prompt.text for prompt in prompts)):
        named = [g.name for g in generators if g.name.lower() in text.lower()]
        if named:
            raise StudyError(f"Readers see “{text}”, and it names the generator “{named[0]}”.")


def _check_parts(
    protocol: Protocol,
    prompts: Sequence[Prompt],
    practice: Sequence[Prompt],
    generators: Sequence[Generator],
) -> None:
    most = MAX_ARMS - protocol.hidden_real
    if not 1 <= len(generators) <= most or len(set(generators)) != len(generators):
        raise StudyError(f"A study compares 1 to {most} generators, each named once.")
    everything = [*prompts, *practice]
    if not prompts or len(set(everything)) != len(everything):
        raise StudyError("A study needs prompts, each named once, for practice too.")
    if len(practice) != protocol.practice:
        raise StudyError(
            f"The protocol has {protocol.practice} practice cases; {len(practice)} prompts were "
            "named for them. They must be others than the study's own."
        )
    if protocol.checks > most_checks(len(prompts)):
        raise StudyError(
            f"The protocol has {protocol.checks} attention checks, and {len(prompts)} cases have "
            f"room for {most_checks(len(prompts))}: take more prompts or another protocol."
        )
    pairs = Counter(prompt.rephrasing_of_id or prompt.pk for prompt in prompts)
    if max(pairs.values()) > 2:
        raise StudyError("A pair is a prompt and one rephrasing: leave the other rephrasings out.")


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


# Moving on


@transaction.atomic
def generate_images(*, study: Study, by: User) -> None:
    """Draft → images: one run for each arm, queued; imported images are there already."""
    step(study, act="generate", by=by, when=[State.DRAFT], to=State.IMAGES)
    cases = list(study.cases.select_related("prompt"))
    prompts = [case.prompt for case in cases]
    for arm in study.arms.select_related("generator"):
        generator = arm.generator
        if generator is None:
            continue  # real images are there already
        if generator.can_sample:
            arm.run = create_run(
                generator=generator,
                prompts=prompts,
                images_per_set=study.protocol.images_per_set,
                seed=study.seed,
                by=by,
            )
        else:
            arm.run = _imported(generator, prompts, study.protocol, study.owner)
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
    check_state(study, act="check", when=[State.IMAGES])
    _check_complete(study)
    made = CaseSet.objects.filter(case__study=study).exclude(image_set=None)
    CaseImage.objects.bulk_create(
        CaseImage(case_set=shown, image=image, position=i)
        for shown in made.prefetch_related("image_set__images", "links")
        for i, image in enumerate(sorted(shown.images(), key=lambda image: image.index or 0), 1)
    )
    step(study, act="check", by=by, when=[State.IMAGES], to=State.CHECKED)


@transaction.atomic
def seal_study(*, study: Study, by: User) -> None:
    """Checked → sealed: fix what readers will see in a manifest, and plan the readers."""
    check_state(study, act="seal", when=[State.CHECKED])
    _check_complete(study)
    _check_real_images(study)
    _check_files(study)
    manifest = build_manifest(study)
    digest = manifest_digest(manifest)
    step(
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


def open_study(*, study: Study, by: User) -> None:
    """Sealed → running, unless something changed since sealing or a reader could see a name.

    The audit stays on record either way.
    """
    check_state(study, act="open", when=[State.SEALED])
    if not study.readers.exclude(state=Reader.State.REVOKED).exists():
        raise StudyError("Nobody reads this study yet: add a reader first.")
    if not still_as_sealed(study):
        raise StudyError(
            "Prompts, images or generators have changed since the study was sealed, so it can't "
            "be opened. Undo the change, or make a new study."
        )
    for reader in study.readers.all():
        plan_reader(reader)
    audit = record_audit(study=study, by=by, readings_per_reader=readings_at_once(study))
    if audit.findings:
        raise StudyError(f"Readers could see what they must not: {listed(audit.findings)}.")
    step(study, act="open", by=by, when=[State.SEALED], to=State.RUNNING, opened_at=timezone.now())


@transaction.atomic
def close_study(*, study: Study, by: User) -> None:
    """Running → closed: no more answers; results by arm may be seen."""
    check_state(study, act="close", when=[State.RUNNING])
    readings = study.readers.aggregate(
        submitted=Count("readings", filter=Q(readings__submitted_at__isnull=False)),
        planned=Count("readings"),
    )
    step(
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
    check_state(study, act="unblind", when=[State.RUNNING, State.CLOSED])
    if study.unblinded_at:
        raise StudyError("This study has been unblinded already.")
    step(
        study,
        act="unblind",
        by=by,
        when=[study.state],
        to=State.UNBLINDED if study.state == State.CLOSED else study.state,
        detail={"reason": reason.strip(), "while": study.state},
        unblinded_at=timezone.now(),
    )


# Parts of steps


def _check_complete(study: Study) -> None:
    wanted = study.protocol.images_per_set
    sets = (
        CaseSet.objects.filter(case__study=study)
        .select_related("case", "arm__generator", "image_set")
        .prefetch_related("links__image", "image_set__images")
    )
    there = {shown: len(shown.images()) for shown in sets}
    missing = [
        f"{shown.arm}, {shown.case} ({images} of {wanted} images)"
        for shown, images in there.items()
        if images != wanted or (shown.image_set and not shown.image_set.completed_at)
    ]
    if missing:
        raise StudyError(f"{len(missing)} of {len(sets)} sets are not complete: {listed(missing)}.")
    if len(sets) != study.cases.count() * study.arms.count():
        raise StudyError("Some arms have no set in some cases: generate the images first.")


def _check_real_images(study: Study) -> None:
    cases = list(study.cases.select_related("prompt"))
    prompts = [case.prompt for case in cases]
    references: dict[int, list[Image]] = {prompt.pk: [] for prompt in prompts}
    for link in CaseReference.objects.filter(case__in=cases).select_related("image", "case"):
        references[link.case.prompt_id].append(link.image)
    check_references(study.protocol, prompts, references)
    if study.protocol.hidden_real:
        hidden = CaseSet.objects.filter(case__in=cases, arm__generator=None)
        images = {
            shown.case.prompt_id: shown.images()
            for shown in hidden.select_related("case").prefetch_related("links__image")
        }
        check_hidden(study.protocol, prompts, images, references)


def _check_files(study: Study) -> None:
    shown = Q(case_images__case_set__case__study=study) | Q(cases__study=study)
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
        raise StudyError(f"Image files are missing or have changed: {listed(damaged)}.")


def _free_slug(title: str) -> str:
    base = slugify(title)[:50].strip("-")
    taken = set(Study.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    numbered = (f"{base}-{n}" for n in range(2, len(taken) + 3))
    return next(slug for slug in (base, *numbered) if slug not in taken)
