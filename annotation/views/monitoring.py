"""How the readers of a study get on, for who runs or monitors it; nothing here tells an arm."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from annotation.erasure import is_known
from annotation.errors import StudyError
from annotation.links import mail_is_set_up, message_languages
from annotation.models import Reader, Study
from annotation.monitoring import Watched, look_into, watch
from annotation.pace import in_words, minutes_left_of_readers
from annotation.readers import TAKES_READERS, slot_is_free
from generation.permissions import Request, researcher_required


@never_cache
@require_safe
@researcher_required
def study_monitoring(request: Request, slug: str) -> HttpResponse:
    """All readers; htmx polls the table."""
    study = _followed(request, slug)
    watched = watch(study)
    minutes = minutes_left_of_readers(study)
    context = {
        "study": study,
        "rows": [(one, _left(one, minutes)) for one in watched],
        "open_signs": sum(w.open for w in watched),
        "done": sum(w.reader.submitted for w in watched),
        "planned": sum(w.reader.planned for w in watched),
        "manages": _manages(request, study),
        "expired": [one for one in study.invitations.waiting() if one.expired],
        "takes_readers": study.state in TAKES_READERS,
    }
    template = "annotation/study_monitoring.html" + ("#live" if request.htmx else "")
    return render(request, template, context)


def _left(watched: Watched, minutes: dict[int, int]) -> str:
    over = watched.reader.state == Reader.State.REVOKED
    return "" if over or watched.reader.pk not in minutes else in_words(minutes[watched.reader.pk])


@never_cache
@require_safe
@researcher_required
def study_reader(request: Request, slug: str, number: int) -> HttpResponse:
    """One reader: how they get on, what deserves a look, and what can be done about it."""
    study = _followed(request, slug)
    watched = next(iter(watch(study, number=number)), None)
    if watched is None:
        raise Http404
    reader = watched.reader
    takes = study.state in TAKES_READERS
    over = reader.state in (Reader.State.REVOKED, Reader.State.FINISHED)
    ended = reader.state == Reader.State.REVOKED
    longest = max((t.seconds or 0 for t in watched.readings), default=0)
    context = {
        "study": study,
        "watched": watched,
        "reader": reader,
        "longest": longest,
        "manages": _manages(request, study),
        "can_pause": takes and not over,
        "can_end": takes and not ended,
        "can_remind": study.state == Study.State.RUNNING and not over and not reader.paused_at,
        "can_erase": is_known(reader)
        and Study.objects.owned_by(request.user).filter(pk=study.pk).exists(),
        "can_replace": takes and ended and slot_is_free(study, reader.slot),
        "mail_is_set_up": mail_is_set_up(),
        "languages": message_languages(),
    }
    return render(request, "annotation/study_reader.html", context)


@require_POST
@researcher_required
def study_look(request: Request, slug: str, number: int, rule: str) -> HttpResponse:
    """Keep that somebody looked into a sign, and what came of it; a monitor may."""
    study = _followed(request, slug)
    reader = get_object_or_404(study.readers, number=number)
    note = request.POST.get("note", "")
    try:
        look_into(study=study, reader=reader, rule=rule, note=note, by=request.user)
    except StudyError as error:
        messages.error(request, str(error))
    return redirect("annotation:study-reader", slug, number)


def _followed(request: Request, slug: str) -> Study:
    return get_object_or_404(Study.objects.followed_by(request.user), slug=slug)


def _manages(request: Request, study: Study) -> bool:
    return Study.objects.managed_by(request.user).filter(pk=study.pk).exists()
