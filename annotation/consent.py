"""Consent and briefing: what a reader agrees to and reads before the first case, once each."""

from collections.abc import Callable
from functools import wraps

from django.db import transaction
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import AnswerError
from annotation.models import Reader, Study
from annotation.readers import find_reader
from annotation.steps import record
from generation.permissions import Request

View = Callable[..., HttpResponseBase]


def consent_is_due(reader: Reader) -> bool:
    """Whether the protocol asks for consent and the reader has not given it."""
    return bool(reader.study.protocol.consent) and reader.consented_at is None


@transaction.atomic
def give_consent(*, reader: Reader, version: str, language: str) -> None:
    """Keep that the reader agreed, when, and to which version of the text in which language; who
    agreed before did so for good.

    Raises:
        AnswerError: the study doesn't run, or asks for consent to another version.
    """
    study = Study.objects.select_for_update().get(pk=reader.study_id)
    if study.state != Study.State.RUNNING:
        raise AnswerError(_("This study is not open now."))
    if version != study.protocol.consent_version:
        raise AnswerError(_("The text has changed since you opened it: please read it again."))
    asked = Reader.objects.filter(pk=reader.pk, consented_at=None)
    if asked.update(consented_at=timezone.now(), consent_version=version):
        detail = {"reader": str(reader), "version": version, "language": language}
        record(study, "consent", reader.user, **detail)


def end_briefing(reader: Reader) -> None:
    """Keep when the reader had first read what is asked."""
    Reader.objects.filter(pk=reader.pk, briefed_at=None).update(briefed_at=timezone.now())


def consent_first(view: View) -> View:
    """A reader's page that is not there before consent leads to what is to be agreed to; and while
    the reader is paused, to what says so."""

    @wraps(view)
    def led(request: Request, slug: str, *args, **kwargs) -> HttpResponseBase:
        try:
            return view(request, slug, *args, **kwargs)
        except Http404:
            reader = find_reader(request.user, slug)
            if reader and reader.paused_at:
                return redirect("annotation:reader-study", slug)
            if reader is None or not consent_is_due(reader):
                raise
            return redirect("annotation:consent", slug)

    return led
