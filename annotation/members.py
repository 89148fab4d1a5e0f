"""Who helps a study's owner: co-investigators, who run it too, and monitors, who follow it."""

from django.contrib.auth.models import User
from django.db import transaction

from annotation.errors import StudyError
from annotation.models import Member, Study
from annotation.steps import hold_study, record
from generation.permissions import RESEARCHERS, is_researcher


def add_member(*, study: Study, user: User, role: str, by: User) -> Member:
    """Give somebody a part in a study, or another one; raises `StudyError` where they can't."""
    if role not in Member.Role.values:
        raise StudyError(f"“{role}” is no role: there are {' and '.join(Member.Role.values)}.")
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        _check(study, user)
        member, new = Member.objects.get_or_create(study=study, user=user, defaults={"role": role})
        if not new and member.role == role:
            raise StudyError(f"{user} is {member.role} already.")
        Member.objects.filter(pk=member.pk).update(role=role)
        record(study, "add member", by, user=user.get_username(), role=role)
    member.refresh_from_db()
    return member


def _check(study: Study, user: User) -> None:
    if user.pk == study.owner_id:
        raise StudyError(f"{user} owns this study.")
    # A part that has ended counts too: its answers stay on record.
    if study.readers.filter(user_id=user.pk).exists():
        raise StudyError(
            f"{user} reads this study, or has read it: a reader can't help to run it as well."
        )
    if not user.is_active:
        raise StudyError(f"The account {user} is not active: activate it first.")
    if not is_researcher(user):
        raise StudyError(f"{user} is no researcher: add them to the group “{RESEARCHERS}” first.")


def remove_member(*, study: Study, member: Member, by: User) -> None:
    """End somebody's part: they see the study no more. They can't become its reader either, as
    they know too much."""
    with transaction.atomic():
        hold_study(study.pk)
        if not study.members.filter(pk=member.pk).delete()[0]:
            raise StudyError("This part has ended already.")
        record(study, "remove member", by, user=member.user.get_username(), role=member.role)
