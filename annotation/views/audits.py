"""The audit of blinding, for the researcher to run and to read."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRefresh

from annotation.errors import StudyError
from annotation.models import AuditEvent, Reader, Study
from annotation.openings import AUDITABLE, ask_audit
from generation.permissions import Request, researcher_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def study_audit(request: Request, slug: str) -> HttpResponse:
    """The newest audit and those before it; POST asks for one of the first readings of each reader.
    htmx polls the part that shows how far that is."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    if request.method == "POST":
        try:
            ask_audit(study=study, by=request.user)
        except StudyError as error:
            messages.error(request, str(error))
        return redirect("annotation:study-audit", study.slug)
    asked = study.audits.first()
    if request.htmx:
        if not asked or not asked.unfinished:
            return HttpResponseClientRefresh()
        context = {"study": study, "asked": asked, "poll": request.path}
        return render(request, "annotation/audit_progress.html", context)
    events = list(study.events.filter(act="audit").order_by("-pk"))
    context = {
        "study": study,
        "asked": asked,
        "poll": request.path,
        "possible": study.state in AUDITABLE
        and study.readers.exclude(state=Reader.State.REVOKED).exists(),
        "event": events[0] if events else None,
        "earlier": events[1:],
        "links": _links(events[0]) if events else [],
    }
    return render(request, "annotation/audit.html", context)


def _links(event: AuditEvent) -> list[dict[str, str]]:
    """What was tried to link sets to arms, in figures for people."""
    return [
        {
            "trace": link["trace"],
            "accuracy": f"{link['accuracy']:.0%}",
            "interval": f"{link['low']:.0%} to {link['high']:.0%}",
            "chance": f"{link['chance']:.0%}",
            "p": "below 0.001" if link["p"] < 0.001 else f"{link['p']:.3f}",
        }
        for link in event.detail["links"]
    ]
