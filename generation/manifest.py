"""A run to take away: its images as PNGs that say how they were made, a manifest, their digests.

The same run gives the same bytes, wherever and whenever it is asked for.
"""

import hashlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from django.db.models import Prefetch
from PIL.PngImagePlugin import PngInfo, putchunk

from generation.models import Image, ImageSet, Run

logger = logging.getLogger(__name__)
MANIFEST, SUMS = "manifest.jsonl", "SHA256SUMS"
SOFTWARE = "Blindread"
_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = 33  # bytes of a PNG up to and with its first chunk, after which texts may stand
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a ZIP can hold


class ManifestError(RuntimeError):
    """An image can't be handed out; the message says which, why and how to mend it."""


def run_files(run: Run) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of what a run's archive holds, one at a time.

    First the images that are there, as ``images/<set>-<image>.png`` counted from 1, then
    ``manifest.jsonl`` with a line for each of them, then ``SHA256SUMS`` as ``sha256sum -c`` reads
    it.

    Raises ManifestError where a stored file is missing or changed.
    """
    lines, sums = [], []
    for number, image_set in enumerate(_sets(run), 1):
        for image in image_set.images.all():
            name = f"images/{number:04}-{(image.index or 0) + 1:02}.png"
            data = with_provenance(image)
            sha256 = hashlib.sha256(data).hexdigest()
            sums.append(f"{sha256}  {name}\n")
            lines.append(_json({"file": name, "sha256": sha256, **record(image)}) + "\n")
            yield name, data
    manifest = "".join(lines).encode()
    yield MANIFEST, manifest
    sums.append(f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n")
    yield SUMS, "".join(sums).encode()


def run_zip(run: Run) -> Iterator[bytes]:
    """`run_files` as a ZIP, piece by piece, with no more than one image in memory."""
    pipe = _Pipe()
    with ZipFile(pipe, "w") as archive:  # type: ignore[call-overload] # it never closes it
        for name, data in run_files(run):
            about = ZipInfo(name, date_time=_EPOCH)
            about.create_system = 3  # Unix, as which the next line is read
            about.external_attr = 0o644 << 16
            packed = ZIP_STORED if name.endswith(".png") else ZIP_DEFLATED
            archive.writestr(about, data, compress_type=packed)
            yield pipe.drain()
    yield pipe.drain()


def with_provenance(image: Image) -> bytes:
    """A generated image's file with `record` in its metadata; the pixels stay as they were stored.

    The texts are put before the pixels, which are not encoded again.

    Raises ManifestError where the stored file is missing or changed.
    """
    data = _stored(image)
    info = PngInfo()
    info.add_itxt("blindread", _json(record(image)))
    info.add_itxt("Description", prompt_of(image))
    info.add_itxt("Software", SOFTWARE)
    texts = io.BytesIO()
    for kind, content, *_ in info.chunks:
        putchunk(texts, kind, content)
    return data[:_HEADER] + texts.getvalue() + data[_HEADER:]


def record(image: Image) -> dict[str, Any]:
    """What is known of a generated image, ready for JSON."""
    image_set = image.image_set
    if image_set is None:
        raise ManifestError(f"Image {image.pk} is a real one: only generated images have a record.")
    prompt = image_set.prompt
    return {
        "sha256_stored": image.sha256,
        "prompt": prompt.text,
        "rephrasing_of": prompt.rephrasing_of.text if prompt.rephrasing_of else None,
        "index": image.index,
        "seed": image.seed,
        "width": image.width,
        "height": image.height,
        "made": image.created_at.isoformat(),
        "provenance": image.provenance,
    }


def prompt_of(image: Image) -> str:
    return image.image_set.prompt.text if image.image_set else ""


def _sets(run: Run) -> Iterator[ImageSet]:
    """One at a time: whoever fetches a large run slowly shall not hold a query open."""
    images = Prefetch("images", Image.objects.order_by("index"))
    rows = run.image_sets.select_related("prompt__rephrasing_of").prefetch_related(images)
    for pk in list(run.image_sets.values_list("pk", flat=True)):
        image_set = rows.get(pk=pk)
        for image in image_set.images.all():
            image.image_set = image_set  # with its prompt
        yield image_set


def _stored(image: Image) -> bytes:
    try:
        with image.file.open() as file:
            data = file.read()
    except OSError as error:
        raise ManifestError(
            f"The file of image {image.pk} ({image}) can't be read: {error}. Put {image.file.name} "
            "back from a backup."
        ) from error
    if hashlib.sha256(data).hexdigest() != image.sha256 or not data.startswith(_PNG):
        raise ManifestError(
            f"The file of image {image.pk} ({image}) is not what was stored: it is damaged or was "
            f"changed. Put {image.file.name} back from a backup."
        )
    return data


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True)


class _Pipe:
    """A file for `ZipFile` whose bytes are taken out as they come.

    It can go back within what was not taken yet, so that each entry's header holds its size.
    """

    def __init__(self) -> None:
        self.taken, self.rest = 0, io.BytesIO()

    def write(self, data: bytes) -> int:
        return self.rest.write(data)

    def tell(self) -> int:
        return self.taken + self.rest.tell()

    def seek(self, place: int) -> int:
        return self.rest.seek(place - self.taken)

    def flush(self) -> None:
        pass

    def drain(self) -> bytes:
        data = self.rest.getvalue()
        self.taken, self.rest = self.taken + len(data), io.BytesIO()
        return data
