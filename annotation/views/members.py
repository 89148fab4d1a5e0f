"""Who helps to run or follow a study: named and removed by its owner."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.errors import StudyError
from annotation.members import add_member, remove_member
from annotation.models import Member, Study
from generation.permissions import Request, researcher_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def study_members(request: Request, slug: str) -> HttpResponse:
    """The study's members; POST names one, by username."""
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    if request.method == "POST":
        name, role = (request.POST.get(key, "").strip() for key in ("username", "role"))
        # Not by address: anybody can say that one is theirs.
        user = User.objects.filter(username=name).first()
        try:
            if user is None:
                raise StudyError(
                    f"There is no account “{name}”. The site's administrator invites researchers."
                )
            member = add_member(study=study, user=user, role=role, by=request.user)
        except StudyError as error:
            messages.error(request, str(error))
        else:
            words = member.role
            messages.success(request, f"{member.user} is {words} of this study.")
        return redirect("annotation:study-members", slug)
    context = {
        "study": study,
        "members": study.members.select_related("user"),
        "roles": Member.Role.choices,
    }
    return render(request, "annotation/study_members.html", context)


@require_POST
@researcher_required
def study_member_remove(request: Request, slug: str, pk: int) -> HttpResponse:
    """End somebody's part."""
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    member = get_object_or_404(study.members.select_related("user"), pk=pk)
    try:
        remove_member(study=study, member=member, by=request.user)
    except StudyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{member.user} sees this study no more.")
    return redirect("annotation:study-members", slug)
