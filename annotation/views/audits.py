"""The audit of blinding, for the researcher to run and to read."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.audits import readings_at_once, record_audit
from annotation.models import AuditEvent, Reader, Study
from generation.permissions import Request, researcher_required

_AUDITABLE = (Study.State.SEALED, Study.State.RUNNING)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def study_audit(request: Request, slug: str) -> HttpResponse:
    """The newest audit and those before it; POST runs one on the first readings of each reader."""
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    readers = study.readers.exclude(state=Reader.State.REVOKED).count()
    possible = study.state in _AUDITABLE and readers > 0
    if request.method == "POST":
        if possible:
            record_audit(study=study, by=request.user, readings_per_reader=readings_at_once(study))
        else:
            messages.error(
                request, "Only a sealed or running study that somebody reads can be audited."
            )
        return redirect("annotation:study-audit", study.slug)
    events = list(study.events.filter(act="audit").select_related("actor").order_by("-pk"))
    context = {
        "study": study,
        "possible": possible,
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
