"""Pages of generators and their images, for researchers."""

import mimetypes

from django.http import FileResponse, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from generation.models import Generator, Image, Training
from generation.permissions import Request, researcher_required


@require_safe
@researcher_required
def generator_list(request: Request) -> HttpResponse:
    """All generators, and this researcher's trainings."""
    context = {
        "generators": Generator.objects.select_related("trained_on"),
        "trainings": Training.objects.owned_by(request.user).select_related("dataset", "generator"),
    }
    return render(request, "generation/generator_list.html", context)


@require_safe
@researcher_required
def generator(request: Request, slug: str) -> HttpResponse:
    """A generator's card, and the runs that this researcher asked of it."""
    generator = get_object_or_404(Generator.objects.select_related("trained_on"), slug=slug)
    runs = generator.runs.filter(created_by=request.user)
    return render(request, "generation/generator.html", {"generator": generator, "runs": runs})


@require_safe
@researcher_required
def image(request: Request, pk: int) -> FileResponse:
    """The stored bytes of an image that this researcher may see."""
    found = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    kind = mimetypes.guess_type(str(found.file.name))[0]
    response = FileResponse(found.file.open(), content_type=kind or "application/octet-stream")
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


@require_safe
@researcher_required
def image_provenance(request: Request, pk: int) -> HttpResponse:
    """How a generated image was made."""
    found = get_object_or_404(Image.objects.visible_to(request.user).generated(), pk=pk)
    return render(request, "generation/image.html", {"image": found})
