"""Pages of generators and their images, for researchers."""

import io
import mimetypes

from django.http import FileResponse, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.text import slugify
from django.views.decorators.http import require_safe
from PIL import Image as Pillow
from PIL import ImageOps

from generation.manifest import ManifestError, with_provenance
from generation.models import Generator, Image, ImageSet, Training
from generation.permissions import Request, researcher_required
from generation.provenance import grouped

THUMBNAIL = 192  # pixels of its longer side: 96 on a screen of double density


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
def image_thumbnail(request: Request, pk: int) -> HttpResponse:
    """The image, small: a page of fifty full ones would take long."""
    found = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    small = io.BytesIO()
    with found.file.open() as file, Pillow.open(file) as picture:
        picture.draft("RGB", (THUMBNAIL, THUMBNAIL))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        upright.thumbnail((THUMBNAIL, THUMBNAIL))
        upright.save(small, "JPEG", quality=85)
    response = HttpResponse(small.getvalue(), content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


@require_safe
@researcher_required
def image_provenance(request: Request, pk: int) -> HttpResponse:
    """How a generated image was made."""
    found, image_set = _generated(request, pk)
    run = image_set.run
    siblings = list(
        Image.objects.filter(image_set=image_set).order_by("index").values_list("pk", flat=True)
    )
    place = siblings.index(found.pk)
    context = {
        "image": found,
        "run": run,
        "phantom": run.generator.card.get("phantom"),
        "groups": grouped(found.provenance),
        "previous": siblings[place - 1] if place else None,
        "next": siblings[place + 1] if place + 1 < len(siblings) else None,
    }
    return render(request, "generation/image.html", context)


@require_safe
@researcher_required
def image_download(request: Request, pk: int) -> HttpResponse:
    """A generated image as a PNG that says how it was made."""
    found, image_set = _generated(request, pk)
    try:
        data = with_provenance(found)
    except ManifestError as error:
        return HttpResponse(str(error), status=500, content_type="text/plain; charset=utf-8")
    run = image_set.run
    name = f"run-{run.pk}-{slugify(run.generator.name)}-image-{found.pk}.png"
    response = HttpResponse(data, content_type="image/png")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _generated(request: Request, pk: int) -> tuple[Image, ImageSet]:
    image = get_object_or_404(Image.objects.visible_to(request.user).generated(), pk=pk)
    related = ImageSet.objects.select_related("run__generator", "prompt__rephrasing_of")
    image.image_set = image_set = related.get(images=image)
    return image, image_set
