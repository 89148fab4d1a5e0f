"""Steps of a study: compare-and-set on its state, each with an `AuditEvent`."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from annotation.errors import StudyError
from annotation.models import AuditEvent, Study

State = Study.State


def step(
    study: Study,
    *,
    act: str,
    by: User,
    when: Sequence[str],
    to: str,
    detail: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    """Move a study that is in one of the states `when`; raises `StudyError` else."""
    with transaction.atomic():
        if not Study.objects.filter(pk=study.pk, state__in=when).update(state=to, **fields):
            check_state(study, act=act, when=when)
        record(study, act, by, **(detail or {}))
    study.refresh_from_db()


def check_state(study: Study, *, act: str, when: Sequence[str]) -> None:
    """Raises `StudyError` unless the study is in one of these states."""
    study.refresh_from_db()
    if study.state not in when:
        raise StudyError(
            f"Can't {act} “{study}” now: it is {State(study.state).label.lower()}, "
            f"and must be {' or '.join(State(state).label.lower() for state in when)}."
        )


def hold_study(pk: int) -> None:
    """Nobody else changes the study until commit. Whoever changes its readers, members or
    invitations too holds it before these: in any other order, two would wait for each other."""
    Study.objects.select_for_update().only("pk").get(pk=pk)


def hold_in_state(study: Study, *, act: str, when: Sequence[str]) -> None:
    """Hold a study that is in one of these states, until commit; raises `StudyError` else."""
    hold_study(study.pk)
    check_state(study, act=act, when=when)


def record(study: Study, act: str, by: User, **detail: Any) -> None:
    AuditEvent.objects.add(study, act=act, by=by, detail=detail)
