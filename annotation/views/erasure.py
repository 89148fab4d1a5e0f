"""The page on which a study's owner has it erased who a reader is."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.erasure import erase_reader, what_goes
from annotation.errors import StudyError, listed
from annotation.models import Reader, Study
from generation.permissions import Request, researcher_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def reader_erase(request: Request, slug: str, number: int) -> HttpResponse:
    """What goes, what stays and what a person should read; POST does it."""
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    reader = get_object_or_404(study.readers.select_related("user"), number=number)
    context: dict[str, Any] = {"study": study, "reader": reader}
    try:
        if request.method == "POST":
            _erase(request, study, reader)
            return redirect(study)
        if not reader.erased_at:
            context["told"] = what_goes(study, reader)
    except StudyError as error:
        messages.error(request, str(error))
        return redirect(study)
    return render(request, "annotation/reader_erase.html", context)


def _erase(request: Request, study: Study, reader: Reader) -> None:
    done = erase_reader(study=study, reader=reader, by=request.user)
    rest = "the account is deleted" if done.account_deleted else "the account has other parts here"
    places = len(done.masked)
    masked = f"; masked in {places} place{'s' * (places > 1)}" if places else ""
    messages.success(request, f"It is erased who {reader} is; {rest}{masked}.")
    if done.to_read:
        where = listed([passage.where for passage in done.to_read])
        messages.warning(request, f"Read these yourself, a name may still stand there: {where}.")
