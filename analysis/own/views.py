"""Pages on which ratings made elsewhere are brought in, and their reports read."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from analysis.models import OwnRatings, Report
from analysis.own.form import OwnRatingsForm
from analysis.views import report_page
from generation.permissions import Request, researcher_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def own_ratings(request: Request) -> HttpResponse:
    """The form, and below it what was brought before."""
    form = OwnRatingsForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (report := form.save(request.user)):
        return redirect(report)
    brought = OwnRatings.objects.filter(owner=request.user)
    return render(request, "analysis/own_ratings.html", {"form": form, "brought": brought})


@never_cache
@require_http_methods(["GET", "HEAD"])
@researcher_required
def own_report(request: Request, pk: int) -> HttpResponse:
    own = get_object_or_404(OwnRatings, pk=pk, owner=request.user)
    return report_page(request, Report.objects.filter(own=own), {"own": own})


@require_POST
@researcher_required
def delete_own(request: Request, pk: int) -> HttpResponse:
    own = get_object_or_404(OwnRatings, pk=pk, owner=request.user)
    own.delete()
    messages.success(request, f"“{own}” and its report are gone.")
    return redirect("analysis:own-ratings")
