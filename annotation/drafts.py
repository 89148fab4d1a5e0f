"""A study that is being designed: made, changed and removed, as long as no image was asked for."""

import logging
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.text import slugify

from annotation.design import MAX_ARMS, most_checks
from annotation.errors import StudyError
from annotation.models import Arm, Case, CaseImage, CaseReference, CaseSet, Study
from annotation.protocols import Protocol
from annotation.real_images import Choice, check_real_images
from annotation.steps import hold_in_state, record
from generation.imported_sets import imported_run
from generation.imports import ImportRefused
from generation.models import Generator, Prompt, Run
from generation.permissions import RESEARCHERS, is_researcher

logger = logging.getLogger(__name__)
_DRAFT = Study.State.DRAFT


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a study is made of.

    Attributes:
        references: the real images of each prompt, practice included.
        seed: 0 to 2**63 − 1; image seeds come from it. Plans come from a secret of their own.
        practice: prompts of the cases that come first and don't count.
        hidden: where the protocol hides real images among the arms, those of each prompt.
    """

    title: str
    protocol: Protocol
    prompts: Sequence[Prompt]
    references: Choice
    generators: Sequence[Generator]
    seed: int
    practice: Sequence[Prompt] = ()
    hidden: Choice | None = None

    @property
    def everything(self) -> list[Prompt]:
        return [*self.prompts, *self.practice]


@transaction.atomic
def create_study(*, owner: User, form_key: UUID | None = None, **design: Any) -> Study:
    """Make a draft of a `Design`: one case for each prompt, one arm for each generator.

    Args:
        form_key: of the form that asked for it; sent twice, as by a double click, it makes one.
    """
    wanted = Design(**design)
    made = Study.objects.filter(owner=owner, form_key=form_key).first() if form_key else None
    if made and made.title == wanted.title.strip():
        return made
    if not is_researcher(owner):
        raise StudyError(f"{owner} is no researcher: add them to the group “{RESEARCHERS}”.")
    _check(wanted, owner)
    study = Study.objects.create(
        title=wanted.title.strip(),
        slug=free_slug(wanted.title),
        owner=owner,
        protocol_data=_with_embedder(wanted.protocol).to_dict(),
        seed=wanted.seed,
        form_key=None if made else form_key,
        secret=secrets.token_hex(32),
    )
    _fill(study, wanted)
    record(study, "create", owner, cases=len(wanted.prompts), arms=study.arms.count())
    return study


@transaction.atomic
def change_study(*, study: Study, by: User, **design: Any) -> None:
    """Make a draft anew of another `Design`; its address, readers and record stay."""
    wanted = Design(**design)
    hold_in_state(study, act="change", when=[_DRAFT])
    _check(wanted, study.owner)
    study.cases.all().delete()
    study.arms.all().delete()
    study.title = wanted.title.strip()
    study.protocol_data = _with_embedder(wanted.protocol).to_dict()
    study.seed = wanted.seed
    study.save(update_fields=["title", "protocol_data", "seed"])
    _fill(study, wanted)
    record(study, "change", by, cases=len(wanted.prompts), arms=study.arms.count())


@transaction.atomic
def delete_study(*, study: Study, by: User) -> None:
    """Remove a draft with its invitations and its record: nobody has read or generated anything."""
    hold_in_state(study, act="delete", when=[_DRAFT])
    logger.info("Account %s deletes the draft %s.", by.pk, study.slug)
    study.delete()


def _check(wanted: Design, owner: User) -> None:
    _check_texts(wanted.title, wanted.everything, wanted.generators)
    _check_parts(wanted.protocol, wanted.prompts, wanted.practice, wanted.generators)
    if not 0 <= wanted.seed < 2**63:
        raise StudyError("The seed must be a whole number from 0 to 2**63 − 1.")
    check_real_images(
        wanted.protocol,
        wanted.everything,
        wanted.references,
        wanted.hidden,
        generators=wanted.generators,
    )
    for generator in wanted.generators:
        if not generator.can_sample:
            run_of_imported(generator, wanted.everything, wanted.protocol, owner)


def _fill(study: Study, wanted: Design) -> None:
    Arm.objects.bulk_create(
        Arm(study=study, position=i, generator=generator)
        for i, generator in enumerate(wanted.generators, 1)
    )
    cases = Case.objects.bulk_create(
        Case(study=study, position=i, prompt=prompt, practice=i > len(wanted.prompts))
        for i, prompt in enumerate(wanted.everything, 1)
    )
    CaseReference.objects.bulk_create(
        CaseReference(case=case, image=image, position=i)
        for case in cases
        for i, image in enumerate(wanted.references.get(case.prompt_id, ()), 1)
    )
    if wanted.protocol.hidden_real and wanted.hidden:
        _hide_real_images(study, cases, wanted.hidden)


def _with_embedder(protocol: Protocol) -> Protocol:
    """Its plan naming the site's embedder where it names none: what is sealed must be said."""
    plan = protocol.plan
    if plan is None or plan.embedder:
        return protocol
    return replace(protocol, plan=replace(plan, embedder=settings.EMBEDDER))


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


def run_of_imported(
    generator: Generator, prompts: Sequence[Prompt], protocol: Protocol, owner: User
) -> Run:
    """The run of a generator that was imported as images; several studies may share it."""
    try:
        return imported_run(
            generator=generator, prompts=prompts, images_per_set=protocol.images_per_set, user=owner
        )
    except ImportRefused as error:
        raise StudyError(str(error)) from error


def free_slug(title: str) -> str:
    base = slugify(title)[:50].strip("-")
    taken = set(Study.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    numbered = (f"{base}-{n}" for n in range(2, len(taken) + 3))
    return next(slug for slug in (base, *numbered) if slug not in taken)
