"""The report of a study, and its data as CSV: for the study's owner, once results may be seen."""

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from analysis.metrics.embedders import EMBEDDERS
from analysis.models import Figure, Report
from analysis.reports import ReportError, create_report
from analysis.tables import tables_of
from annotation.models import Study
from generation.jobs import enqueue
from generation.permissions import Request, english

Status = Report.Status


@never_cache
@require_http_methods(["GET", "POST"])
@english
def report(request: Request, slug: str) -> HttpResponse:
    """The newest report; POST asks for another. htmx polls the part that shows progress."""
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    if request.method == "POST":
        try:
            create_report(study=study, by=request.user, embedder=request.POST.get("embedder"))
        except ReportError as error:
            messages.error(request, str(error))
        return redirect("analysis:report", slug)
    if not study.results_visible:
        return render(request, "analysis/report.html", {"study": study})
    reports = Report.objects.filter(study=study)
    latest = reports.first()
    context = {
        "study": study,
        "latest": latest,
        "underway": latest and latest.status in (Status.QUEUED, Status.RUNNING),
        "embedders": EMBEDDERS.values(),
        "default_embedder": settings.EMBEDDER,
    }
    if request.htmx:
        if not context["underway"]:
            return HttpResponseClientRefresh()
        return render(request, "analysis/report.html#progress", context)
    shown = reports.exclude(results={}).first()
    if shown:
        names = shown.figures.values_list("name", flat=True)
        figures = {n: reverse("analysis:report-figure", args=[slug, shown.pk, n]) for n in names}
        context |= {
            "report": shown,
            "figures": figures,
            "results": shown.results,
            **tables_of(shown.results),
        }
    return render(request, "analysis/report.html", context)


@require_POST
def report_act(request: Request, slug: str, pk: int, act: str) -> HttpResponse:
    """Cancel a report that is under way, or retry one that failed."""
    found = _report(request, slug, pk)
    if act == "cancel":
        found.cancel()
    elif act == "retry":
        if found.retry():
            enqueue(found)
    else:
        raise Http404(f"A report can be cancelled or retried, not “{act}”.")
    return redirect("analysis:report", slug)


@never_cache
@require_GET
# Opened by itself, an SVG needs its own style element.
@csp_update({"style-src": ["'unsafe-inline'"]})  # type: ignore[arg-type]
def report_figure(request: Request, slug: str, pk: int, name: str) -> HttpResponse:
    figure = get_object_or_404(Figure, report=_report(request, slug, pk), name=name)
    return HttpResponse(figure.svg, content_type="image/svg+xml")


@never_cache
@require_GET
def report_download(request: Request, slug: str, pk: int, table: str) -> HttpResponse:
    from analysis.export import REPORT_TABLES  # pandas

    found = _report(request, slug, pk)
    if table not in REPORT_TABLES or not found.results:
        raise Http404(f"This report has no table “{table}”.")
    return _csv(REPORT_TABLES[table](found), f"{slug}-{table}")


@never_cache
@require_GET
def report_archive(request: Request, slug: str, pk: int) -> HttpResponse:
    from analysis.export import zip_of  # pandas, matplotlib

    found = _report(request, slug, pk)
    if not found.results:
        raise Http404("This report has no results yet.")
    return HttpResponse(
        zip_of(found),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{slug}-report.zip"'},
    )


@never_cache
@require_GET
def study_data(request: Request, slug: str, table: str) -> HttpResponse:
    from analysis.export import STUDY_TABLES  # pandas

    study = _visible_study(request, slug)
    if table not in STUDY_TABLES:
        raise Http404(f"A study has no table “{table}”.")
    return _csv(STUDY_TABLES[table](study), f"{slug}-{table}")


def _visible_study(request: Request, slug: str) -> Study:
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    if not study.results_visible:
        raise PermissionDenied("Results by arm stay hidden until the study is closed or unblinded.")
    return study


def _report(request: Request, slug: str, pk: int) -> Report:
    return get_object_or_404(Report, study=_visible_study(request, slug), pk=pk)


def _csv(frame, name: str) -> HttpResponse:
    from analysis.export import csv_text

    return HttpResponse(
        csv_text(frame),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
