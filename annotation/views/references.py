"""The references of a study's cases: all at a glance, and, in a draft, changed by hand."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotation.errors import StudyError
from annotation.models import Case, CaseReference, Study
from annotation.references import change_references, pair_of, references_of, usable
from generation.models import Dataset, Image, Prompt
from generation.permissions import Request, researcher_required

CASES_A_PAGE = 25
IMAGES_A_PAGE = 36


@never_cache
@require_safe
@researcher_required
def study_references(request: Request, slug: str) -> HttpResponse:
    """Every case with its references."""
    study = _load(request, slug)
    cases = study.cases.select_related("prompt__rephrasing_of")
    page = Paginator(cases, CASES_A_PAGE).get_page(request.GET.get("page"))
    shown = references_of(study)
    context = {
        "study": study,
        "page": page,
        "rows": [(case, shown.get(case.prompt_id, [])) for case in page],
        "wanted": study.protocol.references_per_case,
        "may_change": study.state == Study.State.DRAFT,
    }
    return render(request, "annotation/study_references.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def case_references(request: Request, slug: str, position: int) -> HttpResponse:
    """The references of a case and what could stand in their place, found by caption."""
    study = _load(request, slug)
    cases = study.cases.select_related("prompt__rephrasing_of", "study")
    case = get_object_or_404(cases, position=position)
    if request.method == "POST":
        try:
            change_references(
                study=study,
                case=case,
                by=request.user,
                add=_image(request.POST.get("add")),
                remove=_image(request.POST.get("remove") or request.POST.get("instead")),
            )
        except StudyError as error:
            messages.error(request, str(error))
        if not request.htmx:
            return redirect(request.get_full_path())
    template = "annotation/case_references.html"
    context = _context(request, study, case)
    return render(request, f"{template}#choice" if request.htmx else template, context)


def _image(pk: str | None) -> Image | None:
    if not pk:
        return None
    return get_object_or_404(Image.objects.real(), pk=int(pk) if pk.isdecimal() else 0)


def _context(request: Request, study: Study, case: Case) -> dict[str, Any]:
    images = [link.image for link in case.casereference_set.order_by("position")]
    datasets = Dataset.objects.filter(
        pk__in=Image.objects.real().exclude(split=Image.Split.TRAIN).values("dataset")
    )
    slug = request.GET.get("from", "")
    dataset = (
        datasets.filter(slug=slug).first()
        or (images and images[0].dataset)
        or _usual_dataset(study)
        or datasets.first()
    )
    words = request.GET.get("q", "").strip()
    found = _candidates(dataset, case, words) if dataset else Image.objects.none()
    page = Paginator(found, IMAGES_A_PAGE).get_page(request.GET.get("page"))
    usable_ones = set(usable(list(page), study))
    elsewhere = _shown_elsewhere(study, case, list(page))
    positions = list(study.cases.values_list("position", flat=True))
    place = positions.index(case.position)
    return {
        "study": study,
        "case": case,
        "pair": [other for other in pair_of(case) if other != case],
        "images": images,
        "wanted": study.protocol.references_per_case,
        "may_change": study.state == Study.State.DRAFT,
        "datasets": datasets,
        "dataset": dataset,
        "words": words,
        "page": page,
        "candidates": [
            (image, image in usable_ones, image in images, elsewhere.get(image.pk))
            for image in page
        ],
        "last": positions[-1],
        "previous": positions[place - 1] if place else None,
        "next": positions[place + 1] if place + 1 < len(positions) else None,
    }


def _usual_dataset(study: Study) -> Dataset | None:
    image = Image.objects.filter(cases__study=study).select_related("dataset").first()
    return image.dataset if image else None


def _candidates(dataset: Dataset, case: Case, words: str) -> QuerySet[Image]:
    """Images that were not for training: with these words, or else captioned by the prompt."""
    texts = Prompt.objects.filter(dataset=dataset)
    if words:
        texts = texts.filter(text__icontains=words)
        where = Q(prompts__in=texts) | Q(name__icontains=words)
    else:
        prompt = case.prompt
        own = {prompt.text, prompt.original.text, prompt.original.reference_caption}
        where = Q(prompts__in=texts.filter(text__in=own))
    images = dataset.images.real().exclude(split=Image.Split.TRAIN).filter(where)
    captions = Prefetch("prompts", Prompt.objects.order_by("pk"))
    return images.distinct().order_by("pk").prefetch_related(captions)


def _shown_elsewhere(study: Study, case: Case, images: list[Image]) -> dict[int, int]:
    """By image, the first other case that shows it."""
    links = CaseReference.objects.filter(case__study=study, image__in=images)
    others = links.exclude(case__in=pair_of(case)).order_by("-case__position")
    return dict(others.values_list("image", "case__position"))


def _load(request: Request, slug: str) -> Study:
    return get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
