"""The page on which a researcher sets a study up."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.models import Study
from annotation.study_form import StudyForm, like
from generation.permissions import Request, researcher_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def study_new(request: Request) -> HttpResponse:
    """The form and what the study would take; htmx asks for the latter with every change."""
    template, refused = "annotation/study_new.html", False
    if request.method == "POST":
        form = checked = StudyForm(request.user, request.POST)
        if request.POST.get("act") != "estimate":
            if form.is_valid() and (study := form.save()):
                messages.success(request, f"“{study}” is made. Next: its images.")
                return redirect(study)
            refused = True
        elif request.htmx:
            template += "#estimate"
    else:
        form = StudyForm(request.user, initial=_initial(request))
        checked = StudyForm(request.user, form.initial)
    context = {
        "form": form,
        "estimate": checked.estimate,
        "checked": checked,
        "refused": refused,
    }
    return render(request, template, context)


def _initial(request: Request) -> dict:
    """The choices of a study of one's own that is to be copied."""
    if slug := request.GET.get("like"):
        return like(get_object_or_404(Study.objects.owned_by(request.user), slug=slug))
    return {}
