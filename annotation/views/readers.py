"""Readers of a study, as its researcher names, pauses, reminds and ends them."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.errors import StudyError
from annotation.links import mail_is_set_up, message_languages
from annotation.models import Reader, Study
from annotation.monitoring import last_seen
from annotation.pace import in_words, minutes_left_of_readers
from annotation.readers import (
    TAKES_READERS,
    add_reader,
    pause_reader,
    resume_reader,
    revoke_reader,
)
from annotation.reminders import BLANKS, remind, to_remind, usual_text
from generation.permissions import Request, researcher_required


def readers_of(study: Study, readers: Sequence[Any]) -> dict[str, Any]:
    """What annotation/study_readers.html shows of `annotation.readers.with_standing`: when each
    was last seen, and how much time is left."""
    seen, left = last_seen(study), minutes_left_of_readers(study)
    for reader in readers:
        over = reader.state == Reader.State.REVOKED or not reader.planned
        reader.last_seen = seen.get(reader.pk)
        reader.left = "" if over or reader.pk not in left else in_words(left[reader.pk])
    return {
        "readers": readers,
        "readers_done": sum(reader.through for reader in readers),
        "can_add_reader": study.state in TAKES_READERS,
    }


@require_POST
@researcher_required
def study_readers(request: Request, slug: str) -> HttpResponse:
    """Add a person who has an account as a reader."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    name = request.POST.get("username", "").strip()
    user = User.objects.filter(username=name).first()
    if user is None:
        messages.error(request, f"There is no account “{name}”. Invite them instead.")
    else:
        try:
            reader = add_reader(study=study, user=user, by=request.user)
        except StudyError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{name} reads this study as {reader.pseudonym}.")
    return redirect(f"{study.get_absolute_url()}#readers")


@require_POST
@researcher_required
def study_revoke(request: Request, slug: str, number: int) -> HttpResponse:
    """End a reader's part; their place in the plan is free for whoever replaces them."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    reader = get_object_or_404(study.readers, number=number)
    try:
        reason = request.POST.get("reason", "")
        revoke_reader(study=study, reader=reader, by=request.user, reason=reason)
    except StudyError as error:
        messages.error(request, str(error))
    return redirect("annotation:study-reader", slug, number)


@require_POST
@researcher_required
def study_pause(request: Request, slug: str, number: int, act: str) -> HttpResponse:
    """Pause a reader, or let them go on."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    reader = get_object_or_404(study.readers, number=number)
    try:
        (pause_reader if act == "pause" else resume_reader)(
            study=study, reader=reader, by=request.user
        )
    except StudyError as error:
        messages.error(request, str(error))
    return redirect("annotation:study-reader", slug, number)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def study_remind(request: Request, slug: str) -> HttpResponse:
    """Whom to remind and with which words: those who are behind, or the reader asked for."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    readers = to_remind(study)
    languages = sorted({reader.language for reader in readers})
    texts = {code: request.POST.get(f"text-{code}") or usual_text(code) for code in languages}
    again = "again" in request.POST
    chosen = set(request.POST.getlist("reader"))
    if request.method == "POST":
        asked = [reader for reader in readers if str(reader.number) in chosen]
        try:
            problems = remind(
                study=study,
                readers=asked,
                texts={code: request.POST.get(f"text-{code}", "") for code in languages},
                address=lambda: request.build_absolute_uri(
                    reverse("annotation:reader-study", args=[slug])
                ),
                by=request.user,
                again=again,
            )
        except StudyError as error:
            messages.error(request, str(error))
        else:
            for problem in problems:
                messages.error(request, problem)
            if number := len(asked) - len(problems):
                messages.success(request, f"{number} reader{'s' * (number > 1)} reminded.")
            return redirect(f"{study.get_absolute_url()}#readers")
    elif only := request.GET.get("reader"):
        chosen = {only}
    else:
        chosen = {str(r.number) for r in readers if r.behind and not r.recently}
    names = dict(message_languages())
    context = {
        "study": study,
        "rows": [(reader, str(reader.number) in chosen) for reader in readers],
        "texts": [(code, names.get(code, code), texts[code]) for code in languages],
        "again": again,
        "blanks": BLANKS,
        "mail_is_set_up": mail_is_set_up(),
    }
    return render(request, "annotation/study_remind.html", context)
