"""What happens to a study as a whole, from its draft to its unblinding.

Every step is a compare-and-set on the study's state and leaves an `AuditEvent`; a step that can't
be taken raises `StudyError` and changes nothing.
"""

import hashlib
from collections.abc import Callable

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from annotation.answered import KEY, answers_digest
from annotation.audits import Progress, readings_at_once, record_audit
from annotation.drafts import run_of_imported
from annotation.errors import StudyError, listed
from annotation.manifest import build_manifest, manifest_digest, still_as_sealed
from annotation.models import CaseImage, CaseReference, CaseSet, Reader, Study
from annotation.plans import plan_reader
from annotation.real_images import check_real_images
from annotation.steps import check_state, hold_in_state, step
from generation.models import Generator, Image
from generation.runs import create_run, enqueue_run

State = Study.State
NO_READER = (
    "Nobody reads this study yet. The audit of blinding looks at the study as its readers would, "
    "so somebody must have accepted an invitation or been added first; others can join later."
)


@transaction.atomic
def generate_images(*, study: Study, by: User) -> None:
    """Draft → images: one run for each arm, queued; imported images are there already."""
    hold_in_state(study, act="generate", when=[State.DRAFT])
    _check_real_images(study)
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
            arm.run = run_of_imported(generator, prompts, study.protocol, study.owner)
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
    hold_in_state(study, act="check", when=[State.IMAGES])
    _check_complete(study, lambda shown: len(shown.images()))
    made = CaseSet.objects.filter(case__study=study).exclude(image_set=None)
    CaseImage.objects.bulk_create(
        CaseImage(case_set=shown, image=image, position=i)
        for shown in made.select_related("image_set").prefetch_related("image_set__images", "links")
        for i, image in enumerate(sorted(shown.images(), key=lambda image: image.index or 0), 1)
    )
    step(study, act="check", by=by, when=[State.IMAGES], to=State.CHECKED)


@transaction.atomic
def seal_study(*, study: Study, by: User) -> None:
    """Checked → sealed: fix what readers will see in a manifest, and plan the readers."""
    hold_in_state(study, act="seal", when=[State.CHECKED])
    _check_complete(study, lambda shown: len(shown.links.all()))  # as the manifest names them
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
    study.cases_left_out.all().delete()  # from here on they can't be brought back
    for reader in study.readers.all():
        plan_reader(reader)


def check_opens(study: Study) -> None:
    """Raises `StudyError` where it is known before any audit that a study can't be opened."""
    check_state(study, act="open", when=[State.SEALED])
    if not study.readers.exclude(state=Reader.State.REVOKED).exists():
        raise StudyError(NO_READER)


def open_study(*, study: Study, by: User, progress: Progress | None = None) -> None:
    """Sealed → running, unless something changed since sealing or a reader could see a name.

    The audit takes from seconds to a minute or two, and stays on record either way; pages have a
    worker do it (`annotation.openings`).
    """
    check_opens(study)
    if not still_as_sealed(study):
        raise StudyError(
            "Prompts, images or generators have changed since the study was sealed, so it can't "
            "be opened. Undo the change, or make a new study."
        )
    for reader in study.readers.all():
        plan_reader(reader)
    audit = record_audit(
        study=study, by=by, readings_per_reader=readings_at_once(study), progress=progress
    )
    if audit.findings:
        raise StudyError(f"Readers could see what they must not: {listed(audit.findings)}.")
    step(study, act="open", by=by, when=[State.SEALED], to=State.RUNNING, opened_at=timezone.now())


@transaction.atomic
def close_study(*, study: Study, by: User) -> None:
    """Running → closed: no more answers; results by arm may be seen. A digest of all scores and
    rankings goes on record."""
    hold_in_state(study, act="close", when=[State.RUNNING])
    list(study.readers.select_for_update())  # answers that are under way come in before
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
        detail={
            **readings,
            "as_sealed": still_as_sealed(study),
            KEY: answers_digest(study),
        },
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


def _check_complete(study: Study, count: Callable[[CaseSet], int]) -> None:
    wanted = study.protocol.images_per_set
    sets = (
        CaseSet.objects.filter(case__study=study)
        .select_related("case", "arm__generator", "image_set")
        .prefetch_related("links__image", "image_set__images")
    )
    there = {shown: count(shown) for shown in sets}
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
    hidden: dict[int, list[Image]] = {}
    for shown in (
        CaseSet.objects.filter(case__in=cases, arm__generator=None)
        .select_related("case")
        .prefetch_related("links__image")
    ):
        hidden[shown.case.prompt_id] = shown.images()
    generators = Generator.objects.filter(arms__study=study)
    check_real_images(study.protocol, prompts, references, hidden, generators=list(generators))


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
