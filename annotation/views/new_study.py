"""The pages on which a researcher sets a study up, changes a draft and removes one."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.drafts import delete_study
from annotation.errors import StudyError
from annotation.models import Study
from annotation.study_form import StudyForm, like
from generation.permissions import Request, researcher_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def study_new(request: Request) -> HttpResponse:
    """The form, perhaps with the choices of a study of one's own that is to be copied."""
    initial = {}
    if slug := request.GET.get("like"):
        initial = like(_load(request, slug))
    return _set_up(request, said="“{}” is made.", initial=initial)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def study_change(request: Request, slug: str) -> HttpResponse:
    """The same form for a draft."""
    study = _load(request, slug)
    if study.state != Study.State.DRAFT:
        messages.error(
            request,
            "Only drafts can be changed. Copy it as a new study to have it otherwise.",
        )
        return redirect(study)
    return _set_up(request, said="“{}” is changed.", study=study)


@require_POST
@researcher_required
def study_delete(request: Request, slug: str) -> HttpResponse:
    """Remove a draft."""
    study = _load(request, slug)
    try:
        delete_study(study=study, by=request.user)
    except StudyError as error:
        messages.error(request, str(error))
        return redirect(study)
    messages.success(request, f"The draft “{study}” is deleted.")
    return redirect("annotation:study-list")


def _set_up(
    request: Request,
    *,
    said: str,
    study: Study | None = None,
    initial: dict[str, Any] | None = None,
) -> HttpResponse:
    """The form and what the study would take; htmx asks for the latter with every change."""
    template, refused = "annotation/study_new.html", False
    if request.method == "POST":
        form = checked = StudyForm(request.user, request.POST, study=study)
        if request.POST.get("act") != "estimate":
            if form.is_valid() and (made := form.save()):
                messages.success(request, said.format(made))
                return redirect(made)
            refused = True
        elif request.htmx:
            template += "#estimate"
    else:
        form = StudyForm(request.user, initial=initial, study=study)
        checked = StudyForm(request.user, form.initial, study=study)
    context = {
        "form": form,
        "estimate": checked.estimate,
        "checked": checked,
        "refused": refused,
        "draft": study,
        "here": reverse("annotation:study-change", args=[study.slug])
        if study
        else reverse("annotation:study-new"),
    }
    return render(request, template, context)


def _load(request: Request, slug: str) -> Study:
    return get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
