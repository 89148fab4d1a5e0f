"""The first page, and a sign of life for load balancers."""

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from annotation.models import Reader, Study
from generation.permissions import Request, is_researcher


@require_safe
def home(request: Request) -> HttpResponse:
    """A researcher's way to the studies, a reader's way to the readings."""
    roles = (
        Reader.objects.filter(user=request.user)
        .exclude(state=Reader.State.REVOKED)
        .select_related("study")
        .annotate(
            planned=Count("readings"),
            submitted=Count("readings", filter=Q(readings__submitted_at__isnull=False)),
            started=Count("readings", filter=Q(readings__started_at__isnull=False)),
        )
    )
    if not roles and is_researcher(request.user):
        return redirect("annotation:study-list")
    return render(request, "home.html", {"roles": roles, "running": Study.State.RUNNING})


@require_safe
@login_not_required
def health(request: Request) -> HttpResponse:
    """200 when the database answers."""
    connection.ensure_connection()
    return HttpResponse("ok\n", content_type="text/plain")
