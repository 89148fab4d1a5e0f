"""Who reads a study: the next slot of the plan for a new reader, and the end of one's part."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import StudyError
from annotation.models import Invitation, Reader, Reading, Study
from annotation.plans import plan_reader
from annotation.steps import check_state, hold_in_state, record

State = Study.State
TAKES_READERS = [State.DRAFT, State.IMAGES, State.CHECKED, State.SEALED, State.RUNNING]


@transaction.atomic
def add_reader(
    *, study: Study, user: User, by: User, invitation: Invitation | None = None
) -> Reader:
    """Give a person the next slot in the plan, or the one that their invitation kept; one who has a
    slot already keeps it."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    check_state(study, act="add readers to", when=TAKES_READERS)
    check_may_read(study, user)
    reader = study.readers.filter(user_id=user.pk).first()
    if reader is None:
        last = study.readers.aggregate(last=Max("number"))["last"] or 0
        slot = (invitation and invitation.slot) or _free_slot(study)
        reader = Reader.objects.create(study=study, user=user, number=last + 1, slot=slot)
        record(study, "add reader", by, reader=str(reader), user=user.get_username())
    if study.state in (State.SEALED, State.RUNNING):
        plan_reader(reader)
    return reader


def with_standing(study: Study) -> list[Any]:
    """The study's readers with their readings ``planned`` and ``submitted``, and ``standing``: how
    far each is, in a word; ``through`` where all of them are in."""
    practice = Q(readings__kind=Reading.Kind.PRACTICE)
    found = study.readers.select_related("user").annotate(
        planned=Count("readings"),
        started=Count("readings__started_at"),
        submitted=Count("readings__submitted_at"),
        practice_left=Count("readings", filter=practice & Q(readings__submitted_at=None)),
    )
    readers: list[Any] = list(found.order_by("number"))
    for reader in readers:
        reader.standing = _standing(reader)
        reader.through = bool(reader.planned) and reader.submitted == reader.planned
    return readers


def _standing(reader: Any) -> str:
    match reader.state:
        case Reader.State.REVOKED:
            return "ended"
        case Reader.State.FINISHED:
            return "done"
    if reader.paused_at:
        return "paused"
    if reader.planned and reader.submitted == reader.planned:
        return "all in, not finished"
    if reader.started:
        return "practising" if reader.practice_left else "reading"
    return "consented" if reader.consented_at else "invited"


def find_reader(user: User, slug: str) -> Reader | None:
    """This person's part in a study, unless it has ended."""
    readers = Reader.objects.filter(user_id=user.pk, study__slug=slug).select_related("study")
    return readers.defer("study__manifest").exclude(state=Reader.State.REVOKED).first()


def check_may_read(study: Study, user: User) -> None:
    """Raises `StudyError` where this person knows too much to read the study, or has no account."""
    if user.pk == study.owner_id:
        message = _("{user} owns this study and so knows too much to read it.")
        raise StudyError(message.format(user=user))
    if study.members.filter(user_id=user.pk).exists() or _was_member(study, user):
        message = _("{user} helps to run this study and so knows too much to read it.")
        raise StudyError(message.format(user=user))
    if user.is_staff or user.is_superuser:
        message = _("{user} can see the plan in the admin, and so can't read the study.")
        raise StudyError(message.format(user=user))
    if not user.is_active:
        message = _("The account {user} is not active: activate it first.")
        raise StudyError(message.format(user=user))


def _was_member(study: Study, user: User) -> bool:
    ended = study.events.filter(act="remove member")
    return any(event.told.get("user") == user.get_username() for event in ended)


def revoke_reader(*, study: Study, reader: Reader, by: User, reason: str) -> None:
    """End a reader's part: they see the study no more, their answers stay on record but count for
    nothing, and the next reader gets their slot, so that the plan keeps its balance."""
    if not reason.strip():
        raise StudyError("Say why the reader's part ends: the reason is kept with it.")
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        check_state(study, act="revoke readers of", when=TAKES_READERS)
        rows = study.readers.filter(pk=reader.pk).exclude(state=Reader.State.REVOKED)
        if not rows.update(state=Reader.State.REVOKED):
            raise StudyError(f"The part of {reader} has ended already.")
        record(study, "revoke reader", by, reader=str(reader), reason=reason.strip())


def pause_reader(*, study: Study, reader: Reader, by: User) -> None:
    """Keep a reader from the study for a while; their answers, their place and what a browser has
    not sent yet are kept. Raises `StudyError` where there is nothing to pause."""
    with transaction.atomic():
        hold_in_state(study, act="pause readers of", when=TAKES_READERS)
        rows = _going_on(study, reader).filter(paused_at=None)
        if not rows.update(paused_at=timezone.now()):
            raise StudyError(f"{reader} is paused already, or their part is over.")
        record(study, "pause reader", by, reader=str(reader))


def resume_reader(*, study: Study, reader: Reader, by: User) -> None:
    """Let a paused reader go on; raises `StudyError` where they are not paused."""
    with transaction.atomic():
        hold_in_state(study, act="resume readers of", when=TAKES_READERS)
        if not _going_on(study, reader).exclude(paused_at=None).update(paused_at=None):
            raise StudyError(f"{reader} is not paused.")
        record(study, "resume reader", by, reader=str(reader))


def _going_on(study: Study, reader: Reader) -> QuerySet[Reader]:
    over = [Reader.State.REVOKED, Reader.State.FINISHED]
    return study.readers.filter(pk=reader.pk).exclude(state__in=over)


def slot_is_free(study: Study, slot: int) -> bool:
    """Whether no active reader has a place in the plan, and no invitation keeps it."""
    return slot not in _taken(study)


def _free_slot(study: Study) -> int:
    """The first place in the balanced plan that is free."""
    taken = _taken(study)
    return next(slot for slot in range(1, len(taken) + 2) if slot not in taken)


def _taken(study: Study) -> set[int]:
    active = study.readers.exclude(state=Reader.State.REVOKED).values_list("slot", flat=True)
    kept = study.invitations.waiting().values_list("slot", flat=True)
    return {*active, *(slot for slot in kept if slot)}
