"""The page on which a study's owner has it erased who a reader is."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.erasure import erase_reader
from annotation.errors import StudyError
from annotation.models import Study
from generation.permissions import Request, researcher_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def reader_erase(request: Request, slug: str, number: int) -> HttpResponse:
    """What goes and what stays; POST does it."""
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    reader = get_object_or_404(study.readers.select_related("user"), number=number)
    if request.method == "POST":
        try:
            deleted = erase_reader(study=study, reader=reader, by=request.user)
        except StudyError as error:
            messages.error(request, str(error))
        else:
            rest = "; the account is deleted" if deleted else "; the account has other parts here"
            messages.success(request, f"It is erased who {reader} is{rest}.")
        return redirect(study)
    return render(request, "annotation/reader_erase.html", {"study": study, "reader": reader})
