"""What a researcher does with a study's cases before sealing, and the images to look at."""

from collections.abc import Sequence

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from annotation.blinding import presented
from annotation.cases import exclude_case, include_case, sample_again
from annotation.errors import StudyError
from annotation.models import Case, CaseSet, Study
from generation.models import Image
from generation.permissions import Request, researcher_required

SMALL = 192  # pixels a side, of an image among many


@require_POST
@researcher_required
def case_exclude(request: Request, slug: str, position: int) -> HttpResponse:
    """Leave a case out, for all arms and with its pair."""
    study = _load(request, slug)
    case = get_object_or_404(study.cases.select_related("prompt"), position=position)
    try:
        out = exclude_case(
            study=study, case=case, by=request.user, reason=request.POST.get("reason", "")
        )
    except StudyError as error:
        messages.error(request, str(error))
        return _back(request, study, f"case-{position}")
    messages.success(request, f"Left out: {_numbers(out)}. Below they can be brought back.")
    return _back(request, study)


@require_POST
@researcher_required
def case_include(request: Request, slug: str, position: int) -> HttpResponse:
    """Bring a case back that was left out, with its pair."""
    study = _load(request, slug)
    try:
        back = include_case(study=study, position=position, by=request.user)
    except StudyError as error:
        messages.error(request, str(error))
        return _back(request, study)
    messages.success(request, f"Brought back: {_numbers(back)}.")
    return _back(request, study, f"case-{position}")


@require_POST
@researcher_required
def set_sample(request: Request, slug: str, position: int, arm: int) -> HttpResponse:
    """Sample a set again with another seed."""
    study = _load(request, slug)
    case = get_object_or_404(study.cases, position=position)
    shown = get_object_or_404(case.sets.select_related("arm__generator"), arm__position=arm)
    try:
        sample_again(
            study=study, shown=shown, by=request.user, reason=request.POST.get("reason", "")
        )
    except StudyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Queued: {shown.arm} makes its images of case {position} again.")
    return _back(request, study, f"case-{position}")


@require_safe
@researcher_required
def study_image(request: Request, slug: str, pk: int) -> HttpResponse:
    """An image as readers get it, but small unless the whole is asked for: for all who run the
    study, whoever had it made."""
    data = as_presented(_load(request, slug), pk, whole="whole" in request.GET)
    response = HttpResponse(data, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


def as_presented(study: Study, pk: int, *, whole: bool) -> bytes:
    """An image of the study, or a real one, as a JPEG; raises Http404 for all others."""
    image = get_object_or_404(Image, pk=pk)
    made = CaseSet.objects.filter(case__study=study, image_set_id=image.image_set_id)
    if image.kind == Image.Kind.GENERATED and not made.exists():
        raise Http404
    size = study.protocol.image_size if whole else SMALL
    with image.file.open() as file:
        return presented(file.read(), size=size, token=str(pk))


def _numbers(cases: Sequence[Case]) -> str:
    positions = " and ".join(str(one.position) for one in cases)
    return f"case{'s' * (len(cases) > 1)} {positions}"


def _load(request: Request, slug: str) -> Study:
    return get_object_or_404(Study.objects.managed_by(request.user), slug=slug)


def _back(request: Request, study: Study, place: str = "") -> HttpResponse:
    """To the gallery as it was: narrowed down, at the same page."""
    query = request.POST.get("query", "")
    address = reverse("analysis:gallery", args=[study.slug])
    return redirect(f"{address}{f'?{query}' * bool(query)}{f'#{place}' * bool(place)}")
