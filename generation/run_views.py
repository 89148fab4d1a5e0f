"""Pages of runs: for the researcher who asked for them, and superusers."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from generation.manifest import run_zip
from generation.models import Chunk, Image, Job, Run
from generation.permissions import Request, researcher_required
from generation.run_form import RunForm, like
from generation.runs import enqueue_run

logger = logging.getLogger(__name__)
RUNS_A_PAGE = 30
SETS_A_PAGE = 12
NEWEST = 10
CHUNKS_LISTED = 60  # in full; of more, only those that there is something to say of
Status = Job.Status


@never_cache
@require_safe
@researcher_required
def run_list(request: Request) -> HttpResponse:
    """This researcher's runs, the latest first. htmx polls the table while one is unfinished."""
    found = _own(request).annotate(sets=Count("image_sets")).order_by("-pk")
    page = Paginator(found, RUNS_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "underway": any(run.unfinished for run in page)}
    template = "generation/run_list.html"
    return render(request, f"{template}#runs" if request.htmx else template, context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def run_new(request: Request) -> HttpResponse:
    """The form; the address may name a generator and prompts, or a run to be ``like``."""
    if request.method == "POST":
        form = RunForm(request.POST)
        if form.is_valid() and (run := form.save(request.user)):
            return redirect(run)
    else:
        initial: dict[str, Any] = request.GET.dict()
        if pk := initial.pop("like", ""):
            initial = like(get_object_or_404(_own(request), pk=int(pk) if pk.isdecimal() else 0))
        form = RunForm(initial=initial)
    return render(request, "generation/run_new.html", {"form": form})


@never_cache
@require_safe
@researcher_required
def run(request: Request, pk: int) -> HttpResponse:
    """Where it stands, and its images. htmx polls what changes, and all anew once it is over."""
    found = get_object_or_404(_own(request), pk=pk)
    if not request.htmx:
        return render(request, "generation/run.html", _context(request, found))
    if not found.unfinished:
        return HttpResponseClientRefresh()
    return render(request, "generation/run.html#polled", _context(request, found))


@require_POST
@researcher_required
def run_act(request: Request, pk: int, act: str) -> HttpResponse:
    """Cancel it, try again what failed (all, or the one ``chunk``), or change its priority."""
    found = get_object_or_404(_own(request), pk=pk)
    if act == "cancel":
        found.cancel()
    elif act == "retry":
        number = request.POST.get("chunk", "")
        chunks = found.chunks.filter(number=number if number.isdecimal() else 0) if number else None
        if found.retry(chunks):
            enqueue_run(found)
        else:
            messages.info(request, "There is nothing to try again: it goes on, or it is done.")
    elif act == "priority":
        given = request.POST.get("priority", "")
        if given not in {str(value) for value in Run.Priority.values}:
            messages.error(request, f"There is no priority “{given}”.")
        else:
            Run.objects.filter(pk=found.pk).update(priority=int(given))
    else:
        raise Http404(f"A run can't be asked to “{act}”.")
    return redirect(found)


@require_safe
@researcher_required
def run_download(request: Request, pk: int) -> StreamingHttpResponse:
    """A ZIP of the images that are there, their manifest and digests."""
    found = get_object_or_404(_own(request), pk=pk)
    if not Image.objects.filter(image_set__run=found).exists():
        raise Http404("This run has no images yet.")
    return archive_of(found)


def archive_of(run: Run) -> StreamingHttpResponse:
    """`generation.manifest.run_zip` as it is sent."""
    response = StreamingHttpResponse(_logged(run), content_type="application/zip")
    name = f"run-{run.pk}-{slugify(run.generator.name)}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _logged(run: Run) -> Iterator[bytes]:
    """The download breaks off where something is wrong; who keeps the server is told why."""
    try:
        yield from run_zip(run)
    except Exception:
        logger.exception("The download of run %s broke off", run.pk)
        raise


def _own(request: Request) -> QuerySet[Run]:
    return Run.objects.owned_by(request.user).select_related("generator", "created_by")


def _context(request: Request, run: Run) -> dict[str, Any]:
    images = Image.objects.filter(image_set__run=run)
    chunks = list(run.chunks.all())
    numbers = {pk: n for n, pk in enumerate(run.image_sets.values_list("pk", flat=True), 1)}
    begun = run.image_sets.filter(Exists(Image.objects.filter(image_set=OuterRef("pk"))))
    page = Paginator(
        begun.select_related("prompt").prefetch_related(
            Prefetch("images", Image.objects.order_by("index"))
        ),
        SETS_A_PAGE,
    ).get_page(request.GET.get("page"))
    first = run.image_sets.select_related("prompt__dataset").first()
    return {
        "run": run,
        "dataset": first.prompt.dataset if first else None,
        "words": _words(run, chunks),
        "rate": (rate := run.rate),
        "seconds_left": (run.total - run.done) / rate if rate else None,
        "sets_done": run.image_sets.exclude(completed_at=None).count(),
        "redrawn": _redrawn(images),
        "newest": images.select_related("image_set__prompt").order_by("-pk")[:NEWEST],
        "failures": _failures(chunks),
        "chunks": chunks,
        "chunks_done": sum(chunk.status == Status.DONE for chunk in chunks),
        "listed": chunks if len(chunks) <= CHUNKS_LISTED else [c for c in chunks if _notable(c)],
        "page": page,
        "sets": [(numbers[image_set.pk], image_set) for image_set in page],
        "sets_total": len(numbers),
        "news": request.GET.get("there") != str(run.done),
        "priorities": Run.Priority.choices,
    }


def _words(run: Run, chunks: list[Chunk]) -> str:
    """What it is doing, in a few words."""
    if run.status == Status.RUNNING:
        at_work = [chunk for chunk in chunks if chunk.status == Status.RUNNING]
        if run.cancel_requested:
            return "Stopping after this batch"
        if not at_work:
            return "Waiting for a worker"
        said = at_work[0].message or "At work"
        return said if len(at_work) == 1 else f"{said}, {len(at_work)} chunks at once"
    return {
        Status.QUEUED: "Waiting for a worker",
        Status.DONE: "Done",
        Status.FAILED: "Failed in part" if run.done else "Failed",
        Status.CANCELLED: "Cancelled",
    }[Status(run.status)]


def _redrawn(images: QuerySet[Image]) -> list[tuple[str, int]]:
    """Why images were drawn again, and how often; most often first."""
    noted = images.filter(provenance__rejected__0__isnull=False)
    reasons = Counter(
        attempt["reason"]
        for rejected in noted.values_list("provenance__rejected", flat=True)
        for attempt in rejected
    )
    return reasons.most_common()


def _failures(chunks: list[Chunk]) -> list[tuple[str, list[Chunk], int]]:
    """(reason, its chunks, images that they lack) of what failed; chunks fail alike mostly."""
    reasons: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        if chunk.status == Status.FAILED:
            reasons.setdefault(chunk.error, []).append(chunk)
    return [
        (reason, failed, sum(chunk.total - chunk.done for chunk in failed))
        for reason, failed in reasons.items()
    ]


def _notable(chunk: Chunk) -> bool:
    return (
        bool(chunk.error)
        or chunk.attempts > 1
        or chunk.status
        in (
            Status.RUNNING,
            Status.FAILED,
        )
    )
