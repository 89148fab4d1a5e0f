"""Pages of data sets: their images and captions, their prompts and rephrasings."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from generation.models import Dataset, Generator, Image, Prompt, Proposal, Upload
from generation.permissions import Request, researcher_required
from generation.removal import DatasetInUse, delete_dataset

IMAGES_A_PAGE = 48
UPLOADS_LISTED = 6


@never_cache
@require_safe
@researcher_required
def dataset_list(request: Request) -> HttpResponse:
    """All data sets, and this researcher's last uploads."""
    datasets = list(Dataset.objects.all())
    images = _counted(Image.objects.real().values_list("dataset", "split"))
    prompts = _counted(Prompt.objects.filter(rephrasing_of=None).values_list("dataset"))
    rephrased = _counted(
        Prompt.objects.filter(rephrasing_of=None, rephrasings__isnull=False)
        .distinct()
        .values_list("dataset")
    )
    open_ones = _counted(Proposal.objects.open().values_list("prompt__dataset"))
    rows = [
        {
            "dataset": dataset,
            "splits": [
                (split, images[dataset.pk, split])
                for split in Image.Split.values
                if (dataset.pk, split) in images
            ],
            "prompts": prompts.get((dataset.pk,), 0),
            "rephrased": rephrased.get((dataset.pk,), 0),
            "proposals": open_ones.get((dataset.pk,), 0),
        }
        for dataset in datasets
    ]
    uploads = Upload.objects.owned_by(request.user)[:UPLOADS_LISTED]
    return render(request, "generation/dataset_list.html", {"rows": rows, "uploads": uploads})


@never_cache
@require_safe
@researcher_required
def dataset(request: Request, slug: str) -> HttpResponse:
    """What it is, and its images, by split and by words in their captions."""
    found = get_object_or_404(Dataset, slug=slug)
    splits = found.splits()
    split, words = request.GET.get("split", ""), request.GET.get("q", "").strip()
    images = found.images.real().order_by("pk")
    if split in splits:
        images = images.filter(split=split)
    if words:
        matching = Prompt.objects.filter(dataset=found, text__icontains=words)
        images = images.filter(Q(prompts__in=matching) | Q(name__icontains=words)).distinct()
    page = Paginator(images.prefetch_related(_captions()), IMAGES_A_PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "dataset": found,
        "splits": splits,
        "split": split,
        "words": words,
        "page": page,
        "total": sum(splits.values()),
        "can_delete": Dataset.objects.owned_by(request.user).filter(pk=found.pk).exists(),
        **prompt_counts(found),
    }
    template = "generation/dataset.html"
    # Going back may ask for the whole page.
    part = request.htmx and not request.htmx.history_restore_request
    return render(request, f"{template}#images" if part else template, context)


@require_POST
@researcher_required
def dataset_delete(request: Request, slug: str) -> HttpResponse:
    """Delete one's own data set, or say what uses it."""
    owned = get_object_or_404(Dataset.objects.owned_by(request.user), slug=slug)
    try:
        delete_dataset(dataset=owned, by=request.user)
    except DatasetInUse as error:
        messages.error(request, f"Not deleted: {error}")
        return redirect("generation:dataset", slug)
    messages.success(request, f"“{owned}” is deleted.")
    return redirect("generation:dataset-list")


def prompt_counts(dataset: Dataset) -> dict[str, Any]:
    """How many prompts there are, have a rephrasing, and wait for approval of one; and whether any
    generator is there to answer them."""
    originals = dataset.prompts.filter(rephrasing_of=None)
    return {
        "prompts_count": originals.count(),
        "rephrased_count": originals.filter(rephrasings__isnull=False).distinct().count(),
        "has_generators": Generator.objects.exists(),
        "open_count": Proposal.objects.open().filter(prompt__dataset=dataset).count(),
    }


def _captions() -> Prefetch:
    return Prefetch("prompts", Prompt.objects.order_by("pk"))


def _counted(rows) -> dict[tuple, int]:
    """Number of rows for each of the values named."""
    return {tuple(key): n for *key, n in rows.annotate(n=Count("pk", distinct=True)).order_by()}
