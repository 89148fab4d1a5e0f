"""The report of a study, and its data as CSV: for the study's owner, once results may be seen."""

from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from analysis.metrics.embedders import EMBEDDERS
from analysis.models import Figure, Report
from analysis.pdf import PdfError, kept_pdf
from analysis.reports import ReportError, create_report
from analysis.tables import tables_of
from annotation.models import Study
from generation.jobs import enqueue
from generation.permissions import Request, english

Status = Report.Status
HIDDEN = "Results by arm stay hidden until the study is closed or unblinded."


@never_cache
@require_http_methods(["GET", "POST"])
@english
def report(request: Request, slug: str) -> HttpResponse:
    """The newest report; POST asks for another. htmx polls the part that shows progress."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    if request.method == "POST":
        try:
            create_report(study=study, by=request.user, embedder=request.POST.get("embedder"))
        except ReportError as error:
            messages.error(request, str(error))
        return redirect("analysis:report", slug)
    if not study.results_visible:
        return render(request, "analysis/report.html", {"study": study})
    plan = study.protocol.plan
    context = {
        "study": study,
        "embedders": EMBEDDERS.values(),
        "default_embedder": (plan and plan.embedder) or settings.EMBEDDER,
    }
    return report_page(request, Report.objects.filter(study=study), context)


def report_page(
    request: Request, reports: QuerySet[Report], context: dict[str, Any]
) -> HttpResponse:
    """The newest of these reports that has results, and how far one is that is under way."""
    latest = reports.first()
    underway = latest and latest.status in (Status.QUEUED, Status.RUNNING)
    context |= {"latest": latest, "underway": underway}
    if request.htmx:
        if not underway:
            return HttpResponseClientRefresh()
        return render(request, "analysis/report.html#progress", context)
    shown = reports.exclude(results={}).first()
    if shown:
        names = shown.figures.values_list("name", flat=True)
        figures = {n: reverse("analysis:report-figure", args=[shown.pk, n]) for n in names}
        context |= {
            "report": shown,
            "figures": figures,
            "results": shown.results,
            **tables_of(shown.results),
        }
    return render(request, "analysis/report.html", context)


@require_POST
def report_act(request: Request, pk: int, act: str) -> HttpResponse:
    """Cancel a report that is under way, or retry one that failed."""
    found = visible_report(request, pk)
    if act == "cancel":
        found.cancel()
    elif act == "retry":
        if found.retry():
            enqueue(found)
    else:
        raise Http404(f"A report can be cancelled or retried, not “{act}”.")
    return redirect(found)


@never_cache
@require_GET
# Opened by itself, an SVG needs its own style element.
@csp_update({"style-src": ["'unsafe-inline'"]})  # type: ignore[arg-type]
def report_figure(request: Request, pk: int, name: str) -> HttpResponse:
    figure = get_object_or_404(Figure, report=visible_report(request, pk), name=name)
    return HttpResponse(figure.svg, content_type="image/svg+xml")


@never_cache
@require_GET
def report_png(request: Request, pk: int, name: str) -> HttpResponse:
    """The same figure for slides and documents that take no SVG."""
    from analysis import charts  # matplotlib

    found = visible_report(request, pk)
    if name not in charts.names(found.results):
        raise Http404(f"This report has no figure “{name}”.")
    return _file(charts.draw(name, found.results, "png"), "image/png", f"{found.slug}-{name}.png")


@never_cache
@require_GET
def report_pdf(request: Request, pk: int) -> HttpResponse:
    found = _computed(request, pk)
    try:
        content = kept_pdf(found)
    except PdfError as error:
        messages.error(request, str(error))
        return redirect(found)
    return _file(content, "application/pdf", f"{found.slug}-report.pdf")


@never_cache
@require_GET
def report_download(request: Request, pk: int, table: str) -> HttpResponse:
    from analysis.export import csv_files  # pandas

    found = visible_report(request, pk)
    make = csv_files(found).get(table) if found.results else None
    if make is None:
        raise Http404(f"This report has no table “{table}”.")
    return csv_response(make(), f"{found.slug}-{table}")


@never_cache
@require_GET
def report_archive(request: Request, pk: int) -> HttpResponse:
    from analysis.export import zip_of  # pandas, matplotlib

    found = _computed(request, pk)
    return _file(zip_of(found), "application/zip", f"{found.slug}-report.zip")


@never_cache
@require_GET
def study_data(request: Request, slug: str, table: str) -> HttpResponse:
    from analysis.export import STUDY_TABLES, csv_text  # pandas

    study = _visible_study(request, slug)
    if table not in STUDY_TABLES:
        raise Http404(f"A study has no table “{table}”.")
    return csv_response(csv_text(STUDY_TABLES[table](study)), f"{slug}-{table}")


def _visible_study(request: Request, slug: str) -> Study:
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    if not study.results_visible:
        raise PermissionDenied(HIDDEN)
    return study


def visible_report(request: Request, pk: int) -> Report:
    found = get_object_or_404(Report.objects.managed_by(request.user), pk=pk)
    if not found.results_visible:
        raise PermissionDenied(HIDDEN)
    return found


def _computed(request: Request, pk: int) -> Report:
    found = visible_report(request, pk)
    if not found.results:
        raise Http404("This report has no results yet.")
    return found


def csv_response(text: str, name: str) -> HttpResponse:
    return _file(text.encode(), "text/csv; charset=utf-8", f"{name}.csv")


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=kind, headers=disposition)
