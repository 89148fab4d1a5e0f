"""The page on which images made elsewhere are imported."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generation.import_form import ImportForm
from generation.permissions import Request, researcher_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def import_sets(request: Request) -> HttpResponse:
    """The form; what it brings in is there when the answer comes, or nothing is."""
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (imported := form.save(request.user)):
        messages.success(request, imported.summary)
        return redirect("generation:generator", imported.run.generator.slug)
    return render(request, "generation/import_sets.html", {"form": form})
