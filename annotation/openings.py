"""Opening a study and auditing it: long work that a page asks for and a worker does."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from annotation.audits import readings_at_once, record_audit
from annotation.errors import StudyError
from annotation.models import BlindingAudit, Reader, Study
from annotation.steps import check_state
from annotation.studies import NO_READER, check_opens, open_study
from generation.jobs import enqueue

AUDITABLE = (Study.State.SEALED, Study.State.RUNNING)


def ask_opening(*, study: Study, by: User) -> BlindingAudit:
    """Queue the audit at whose end a sealed study is opened; the one under way on a double click.

    Raises:
        StudyError: the study can't be opened as it is, or an audit is under way.
    """
    check_opens(study)
    return _asked(study, by, opens=True)


def ask_audit(*, study: Study, by: User) -> BlindingAudit:
    """Queue an audit of the first readings of each reader; raises `StudyError` as above."""
    check_state(study, act="audit", when=AUDITABLE)
    if not study.readers.exclude(state=Reader.State.REVOKED).exists():
        raise StudyError(NO_READER)
    return _asked(study, by, opens=False)


def _asked(study: Study, by: User, *, opens: bool) -> BlindingAudit:
    try:
        with transaction.atomic():
            audit = BlindingAudit.objects.create(study=study, opens=opens, created_by=by)
            enqueue(audit)
            return audit
    except IntegrityError:
        underway = study.audits.unfinished().filter(opens=opens).first()
        if underway is None:
            raise StudyError("An audit of this study is under way: wait for its end.") from None
        return underway


def perform_audit(audit: BlindingAudit) -> None:
    """Fetch what readers can get, keep what was found, and open the study where that was asked.

    Done again after a crash it audits again; what has been opened stays so.

    Raises:
        StudyError: the study can't be opened; the message says what was found.
        Job.Cancelled, Job.Lost: see `Job.beat`.
    """
    study, by = audit.study, audit.created_by or audit.study.owner

    def show(done: int, total: int) -> None:
        BlindingAudit.objects.filter(pk=audit.pk).update(total=total)
        audit.beat(done=done, message="Fetching what readers can get")

    if not audit.opens:
        record_audit(study=study, by=by, readings_per_reader=readings_at_once(study), progress=show)
    elif study.state != Study.State.RUNNING:
        open_study(study=study, by=by, progress=show)
