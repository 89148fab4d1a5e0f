"""The report of a study, and its data as CSV: for the study's owner, once results may be seen."""

from collections.abc import Iterable
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from analysis.metrics import METRICS
from analysis.metrics.embedders import EMBEDDERS
from analysis.models import Figure, Report
from analysis.reports import ReportError, create_report
from analysis.templatetags.estimates import digits_for
from annotation.models import Study
from generation.jobs import enqueue
from generation.permissions import Request, english

Status = Report.Status

PAPER_METRICS = ("fidelity", "agreement", "diversity", "fbd", "energy")


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
        context |= {"report": shown, "results": shown.results, **_tables(shown.results)}
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


def _tables(results: dict[str, Any]) -> dict[str, Any]:
    """The report's long lists as rows and columns of tables, with each column's precision."""
    arms = results["arms"]
    means = {(m["criterion"], m["arm"]): m for m in results["means"]}
    metrics = {(m["metric"], m["arm"]): m for m in results["metrics"]}
    floor = results["floor"]
    digits = {
        metric: digits_for(metrics[metric, arm]["value"] for arm in arms)
        for metric in PAPER_METRICS
    }
    return {
        "criterion_rows": [
            (c, [means[c["key"], arm] for arm in arms]) for c in results["criteria"]
        ],
        "metric_heads": [METRICS[m] for m in PAPER_METRICS],
        "metric_rows": [
            (
                arm,
                [(metrics[m, arm], digits[m]) for m in PAPER_METRICS],
                floor["fbd_at_half"].get(arm),
            )
            for arm in arms
        ],
        "metric_digits": digits,
        "half_digits": digits_for([floor["fbd"], *floor["fbd_at_half"].values()]),
        "claims": [row for row in results["correlations"] if row["claim"]],
        "exploratory": [row for row in results["correlations"] if not row["claim"]],
        "rank_arms": f":{len(arms)}",
        "no_intervals": _distinct(m["reason"] for m in results["means"] if m["value"] is not None),
        "metric_reasons": _distinct(
            f"{METRICS[m['metric']].name} is not estimable: {m['reason']}"
            for m in results["metrics"]
            if m["value"] is None
        ),
        "metrics": METRICS.values(),
        "other_metrics": _other_metrics(arms, metrics, results.get("floors", [])),
        "biomedclip": results["provenance"]["embedder"].startswith("biomedclip"),
    }


def _other_metrics(
    arms: list[str], metrics: dict[tuple[str, str], dict[str, Any]], floors: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A row for each metric with a value that the first table doesn't show."""
    by_metric = {floor["metric"]: floor for floor in floors}
    rows = []
    for key, metric in METRICS.items():
        cells = [metrics[key, arm] for arm in arms if (key, arm) in metrics]
        if key in PAPER_METRICS or all(cell["value"] is None for cell in cells):
            continue
        rows.append(
            {
                "metric": metric,
                "cells": cells,
                "floor": by_metric.get(key),
                "digits": digits_for(cell["value"] for cell in cells),
            }
        )
    return rows


def _distinct(reasons: Iterable[str]) -> list[str]:
    return [r[:1].upper() + r[1:].rstrip(".") + "." for r in dict.fromkeys(reasons) if r]
