"""A copy of a study with its images, for simulated readers to fill."""

import secrets

from django.contrib.auth.models import User
from django.db import transaction

from annotation.drafts import free_slug
from annotation.errors import StudyError
from annotation.models import Arm, Case, CaseImage, CaseReference, CaseSet, Member, Study
from annotation.steps import record

State = Study.State
WITH_IMAGES = [State.IMAGES, State.CHECKED, State.SEALED]
MARK = "Simulated: "  # what its title begins with, wherever it stands


@transaction.atomic
def copy_for_simulation(*, study: Study, by: User) -> Study:
    """The same protocol, arms, cases and sets with a secret of its own; images made, not checked.

    Raises:
        StudyError: the study has no images yet, or readers are at work in it.
    """
    if study.simulated or study.state not in WITH_IMAGES:
        raise StudyError(
            "Simulated readers read a copy of a study whose images are there and which is not "
            f"open yet; “{study}” is {State(study.state).label.lower()}."
        )
    title = f"{MARK}{study.title}"[: Study._meta.get_field("title").max_length]
    copy = Study.objects.create(
        title=title,
        slug=free_slug(title),
        owner=study.owner,
        state=State.IMAGES,
        protocol_data=study.protocol_data,
        simulated=True,
        seed=study.seed,
        secret=secrets.token_hex(32),
    )
    Member.objects.bulk_create(
        Member(study=copy, user_id=member.user_id, role=member.role)
        for member in study.members.all()
    )
    arms = {arm.pk: arm for arm in study.arms.all()}
    made_arms = Arm.objects.bulk_create(
        Arm(study=copy, position=arm.position, generator_id=arm.generator_id, run_id=arm.run_id)
        for arm in arms.values()
    )
    new_arm = {old: new.pk for old, new in zip(arms, made_arms, strict=True)}
    cases = {case.pk: case for case in study.cases.all()}
    made_cases = Case.objects.bulk_create(
        Case(study=copy, position=case.position, prompt_id=case.prompt_id, practice=case.practice)
        for case in cases.values()
    )
    new_case = {old: new.pk for old, new in zip(cases, made_cases, strict=True)}
    CaseReference.objects.bulk_create(
        CaseReference(case_id=new_case[case], image_id=image, position=position)
        for case, image, position in CaseReference.objects.filter(case__study=study).values_list(
            "case", "image", "position"
        )
    )
    sets = list(CaseSet.objects.filter(case__study=study))
    made_sets = CaseSet.objects.bulk_create(
        CaseSet(
            case_id=new_case[one.case_id],
            arm_id=new_arm[one.arm_id],
            image_set_id=one.image_set_id,
        )
        for one in sets
    )
    new_set = {old.pk: new.pk for old, new in zip(sets, made_sets, strict=True)}
    hidden = CaseImage.objects.filter(case_set__case__study=study, case_set__image_set=None)
    CaseImage.objects.bulk_create(
        CaseImage(case_set_id=new_set[one], image_id=image, position=position)
        for one, image, position in hidden.values_list("case_set", "image", "position")
    )
    record(copy, "create", by, cases=copy.cases.filter(practice=False).count(), arms=len(arms))
    return copy
