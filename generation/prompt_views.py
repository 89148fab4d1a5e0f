"""Pages of prompts: brought in from a CSV, rephrased, each rephrasing approved or rejected."""

import csv
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from generation.dataset_views import prompt_counts
from generation.imports import ImportRefused
from generation.models import Dataset, Job, Proposal, Rephrasing
from generation.permissions import Request, researcher_required
from generation.prompt_form import PromptsForm
from generation.rephrasing.checking import difference
from generation.rephrasings import (
    RephrasingError,
    approve,
    create_rephrasing,
    endpoint_name,
    reject,
)

PROMPTS_A_PAGE = 50
PROPOSALS_A_PAGE = 20
VARIANTS = 5  # the most that are asked for at once


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def import_prompts(request: Request) -> HttpResponse:
    """First shown for checking, then stored."""
    if request.method != "POST":
        form = PromptsForm(initial={"into": request.GET.get("into", "")})
        return render(request, "generation/import_prompts.html", {"form": form})
    form = PromptsForm(request.POST, request.FILES)
    valid = form.is_valid()
    if valid and request.POST.get("act") == "store":
        try:
            dataset = form.save(request.user)
        except ImportRefused as error:
            form.add_error("name", str(error))
            valid = False
        else:
            rephrased = sum(bool(row.rephrasing) for row in form.rows)
            messages.success(
                request, f"Stored {len(form.rows)} prompts and {rephrased} rephrasings."
            )
            return redirect("generation:dataset-prompts", dataset.slug)
    return render(request, "generation/import_prompts.html", {"form": form, "valid": valid})


@never_cache
@require_safe
@researcher_required
def dataset_prompts(request: Request, slug: str) -> HttpResponse:
    """Its prompts with their rephrasings, and those that wait for approval."""
    found = get_object_or_404(Dataset, slug=slug)
    context = _context(request, found)
    template = "generation/dataset_prompts.html"
    if not request.htmx:
        return render(request, template, context)
    if not context["underway"]:
        return HttpResponseClientRefresh()
    return render(request, f"{template}#rephrasing", context)


@require_safe
@researcher_required
def dataset_prompts_csv(request: Request, slug: str) -> HttpResponse:
    """All prompts with the numbers by which imported images may name them, for whoever samples
    them elsewhere."""
    found = get_object_or_404(Dataset, slug=slug)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{slug}-prompts.csv"'
    table = csv.writer(response)
    table.writerow(["number", "prompt", "rephrasing_of"])
    for number, prompt in enumerate(found.prompts.select_related("rephrasing_of"), 1):
        table.writerow([number, prompt.text, prompt.rephrasing_of or ""])
    return response


@require_POST
@researcher_required
def dataset_rephrase(request: Request, slug: str) -> HttpResponse:
    """Ask for rephrasings of all prompts, or cancel what was asked for."""
    found = get_object_or_404(Dataset, slug=slug)
    if pk := request.POST.get("cancel", ""):
        own = Rephrasing.objects.owned_by(request.user).filter(dataset=found)
        get_object_or_404(own, pk=int(pk) if pk.isdecimal() else 0).cancel()
        return redirect("generation:dataset-prompts", slug)
    source, variants = request.POST.get("source", ""), request.POST.get("variants", "1")
    if source not in Rephrasing.Source.values or variants not in map(str, range(1, VARIANTS + 1)):
        raise Http404("There is no such way to rephrase.")
    try:
        create_rephrasing(dataset=found, source=source, variants=int(variants), by=request.user)
    except RephrasingError as error:
        messages.error(request, str(error))
    return redirect("generation:dataset-prompts", slug)


@require_POST
@researcher_required
def dataset_decide(request: Request, slug: str) -> HttpResponse:
    """Approve or reject one proposal, or approve all that the page showed, as they were edited."""
    found = get_object_or_404(Dataset, slug=slug)
    shown = [int(pk) for pk in request.POST.getlist("shown") if pk.isdecimal()]
    proposals = {p.pk: p for p in _proposals(found).filter(pk__in=shown)}
    wanted = request.POST.get("approve") or request.POST.get("reject") or ""
    one = proposals.get(int(wanted) if wanted.isdecimal() else 0)
    chosen = proposals.values() if wanted == "all" else [one]
    problems: dict[int, str] = {}
    for proposal in filter(None, chosen):
        if "reject" in request.POST:
            reject(proposal)
            continue
        try:
            approve(proposal, text=request.POST.get(f"text-{proposal.pk}", proposal.text))
        except RephrasingError as error:
            problems[proposal.pk or 0] = str(error)
    if not (request.htmx or problems):
        return redirect("generation:dataset-prompts", slug)
    context = _context(request, found, problems)
    template = "generation/dataset_prompts.html"
    return render(request, f"{template}#decided" if request.htmx else template, context)


def _context(
    request: Request, dataset: Dataset, problems: dict[int, str] | None = None
) -> dict[str, Any]:
    words = request.GET.get("q", "").strip()
    originals = dataset.prompts.filter(rephrasing_of=None)
    if words:
        found = Q(text__icontains=words) | Q(rephrasings__text__icontains=words)
        originals = originals.filter(found)
    pages = Paginator(
        originals.annotate(images_count=Count("images", distinct=True))
        .prefetch_related("rephrasings")
        .order_by("pk"),
        PROMPTS_A_PAGE,
    )
    job = dataset.rephrasings.select_related("created_by").first()
    return {
        "dataset": dataset,
        "at": reverse("generation:dataset-prompts", args=[dataset.slug]),
        "words": words,
        "has_images": dataset.images.exists(),
        "page": pages.get_page(request.GET.get("page")),
        "proposals": [
            _proposal(proposal, request.POST.get(f"text-{proposal.pk}"), problems or {})
            for proposal in _proposals(dataset)[:PROPOSALS_A_PAGE]
        ],
        "job": job,
        "may_cancel": job and (job.created_by == request.user or request.user.is_superuser),
        "underway": bool(job and job.unfinished),
        "failed": bool(job and job.status == Job.Status.FAILED),
        "endpoint": endpoint_name(),
        "variants": range(1, VARIANTS + 1),
        **prompt_counts(dataset),
    }


def _proposal(proposal: Proposal, typed: str | None, problems: dict[int, str]) -> dict[str, Any]:
    """A proposal as its row shows it: with what was typed, and what it seems to change."""
    text = proposal.text if typed is None else typed
    return {
        "pk": proposal.pk,
        "prompt": proposal.prompt,
        "origin": proposal.origin,
        "text": text,
        "changed": difference(proposal.prompt.text, text),
        "problem": problems.get(proposal.pk or 0, ""),
    }


def _proposals(dataset: Dataset):
    rows = Proposal.objects.open().filter(prompt__dataset=dataset)
    return rows.select_related("prompt__dataset").order_by("prompt", "pk")
