"""Image sets made elsewhere become a generator of their own: all of them, or nothing."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from PIL import Image as Pillow

from generation.datasets import DatasetError
from generation.datasets.archives import RefusedFile, open_archive
from generation.datasets.imported import Sets, as_rgb, list_sets
from generation.datasets.inspection import inspect, sha256
from generation.datasets.records import Record
from generation.imports import ImportRefused
from generation.models import IMPORTED, Dataset, Generator, Image, ImageSet, Job, Prompt, Run
from generation.sampling import COMPRESSION, find_fault
from generation.storage import store_image

_BATCH = 500
_SIZES_NAMED = 3  # images of odd size that are named
_RESERVED = {"import"}  # stands for a page of its own
Show = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Imported:
    """What came in, and the files that no prompt claimed."""

    run: Run
    left_alone: list[str]

    @property
    def summary(self) -> str:
        run = self.run
        said = (
            f"Imported “{run.generator}”: {run.total} images, {run.images_per_set} for each of "
            f"{run.total // run.images_per_set} prompts."
        )
        if self.left_alone:
            more = len(self.left_alone) - 5
            named = ", ".join(self.left_alone[:5]) + (f" and {more} more" if more > 0 else "")
            said += f" Left alone, as no prompt claims it: {named}."
        return said


def import_sets(
    *,
    name: str,
    source: str,
    dataset: Dataset,
    archive: Path | IO[bytes],
    archive_name: str,
    by: User | None,
    licence: str = "",
    some: bool = False,
    progress: Show | None = None,
    also: Callable[[Imported], None] | None = None,
) -> Imported:
    """Make a generator and a finished run of a folder or ZIP of images.

    Every image is checked first, as those of our own generators are, then stored as a PNG of its
    pixels alone. If the rows then can't be written, files that were new are removed.

    Args:
        source: where the images came from, in words.
        archive_name: what the folder or ZIP is called.
        some: whether prompts may be without images.
        progress: called with (images done, images in all, what is being done).
        also: called with what came in, in the transaction that writes its rows.

    Raises:
        DatasetError: with every problem found in the folder or ZIP.
        ImportRefused: the name is taken or can't be, or the data set has no prompts.
        OSError: a file can't be stored.
    """
    show = progress or (lambda done, total, title: None)
    check_name(name)
    prompts = list(dataset.prompts.all())
    if not prompts:
        raise ImportRefused(f"“{dataset}” has no prompts: import them first.")
    fresh: list[str] = []
    refused: list[str] = []
    with open_archive(archive, name=archive_name, refused=refused) as opened:
        sets = list_sets(opened, [prompt.text for prompt in prompts], some=some)
        sets.problems[:0] = [text for text in refused if text not in sets.problems]
        sets.problems += _pixel_problems(sets, show)
        sets.problems += _real_ones(sets.records)
        if sets.problems:
            raise DatasetError(sets.problems)
        try:
            stored: dict[Prompt, list[Image]] = {}
            about = {"generator": name, "importer": by.get_username() if by else None}
            total, done = len(sets.records), 0
            for number in sorted(sets.images):
                images = stored.setdefault(prompts[number], [])
                for record in sets.images[number]:
                    said = {**about, "prompt": prompts[number].text, "index": len(images)}
                    images.append(_store(record, said, fresh))
                    done += 1
                    show(done, total, "Importing images")
            with transaction.atomic():
                run = _write_rows(name, source, licence, archive_name, stored, by)
                imported = Imported(run, sets.left_alone)
                if also:
                    also(imported)
        except Job.Lost:
            raise  # whoever took the work over needs the files
        except BaseException:
            for file in fresh:
                default_storage.delete(file)
            raise
    return imported


def check_name(name: str) -> None:
    """Raises ImportRefused where no new generator can be called so."""
    slug = slugify(name)
    if not slug or slug in _RESERVED:
        raise ImportRefused("Give the generator a name of its own, with letters or digits in it.")
    if len(name) > 80:
        raise ImportRefused(f"The name has {len(name)} characters; 80 are the most.")
    if Generator.objects.filter(slug=slug).exists() or Generator.objects.filter(name=name).exists():
        raise ImportRefused(f"There is a generator “{name}” already: choose another name.")


def imported_run(
    *, generator: Generator, prompts: Sequence[Prompt], images_per_set: int, user: User
) -> Run:
    """The user's run that holds the images of an imported generator for these prompts.

    Raises ImportRefused where another imported it, or prompts or numbers don't fit.
    """
    run = Run.objects.owned_by(user).filter(generator=generator).first()
    if run is None:
        raise ImportRefused(
            f"The images of “{generator}” were imported by somebody else, and only they see them: "
            "import them yourself, under another name."
        )
    if run.images_per_set != images_per_set:
        raise ImportRefused(
            f"“{generator}” was imported with {run.images_per_set} images for each prompt, but the "
            f"protocol shows {images_per_set}: choose another protocol, or import as many again "
            "under another name."
        )
    there = set(run.image_sets.values_list("prompt", flat=True))
    lacking = [prompt for prompt in prompts if prompt.pk not in there]
    if lacking:
        raise ImportRefused(
            f"“{generator}” was imported without images for {len(lacking)} of these "
            f"{len(prompts)} prompts, for example “{lacking[0]}” of “{lacking[0].dataset}”."
        )
    return run


def _pixel_problems(sets: Sets, show: Show) -> Iterator[str]:
    """Decodes every image: all must be readable, of one size, not blank, no two of a set alike."""
    total, done = len(sets.records), 0
    sizes: dict[tuple[int, int], list[str]] = {}
    for records in sets.images.values():
        first: dict[str, Record] = {}
        for record in records:
            try:
                data = record.read()
            except RefusedFile:
                continue  # it is among the problems
            except (OSError, ValueError) as error:
                problem: str | None = f"{record.name} can't be read ({error}): replace it."
            else:
                record.sha256 = sha256(data)
                problem = inspect(record, data)
            if problem:
                yield problem
            else:
                image, _ = as_rgb(_decoded(data))
                sizes.setdefault(image.size, []).append(record.name)
                if fault := find_fault(image, image.size):
                    yield f"{record.name} is {fault}: replace it."
                twin = first.setdefault(sha256(repr(image.size).encode() + image.tobytes()), record)
                if twin is not record:
                    yield f"{record.name} and {twin.name} are the same image: replace one."
            done += 1
            show(done, total, "Checking images")
    yield from _odd_sizes(sizes)


def _odd_sizes(sizes: dict[tuple[int, int], list[str]]) -> Iterator[str]:
    if len(sizes) < 2:
        return
    usual = max(sizes, key=lambda size: len(sizes[size]))
    for (width, height), names in sizes.items():
        if (width, height) != usual:
            more = len(names) - _SIZES_NAMED
            named = ", ".join(names[:_SIZES_NAMED]) + (f" and {more} more" if more > 0 else "")
            yield (
                f"{width}×{height} instead of {usual[0]}×{usual[1]} pixels: {named}. All images "
                "of a generator have one size."
            )


def _real_ones(records: Iterable[Record]) -> Iterator[str]:
    """Files that are, byte for byte, real images of a data set."""
    by_digest: dict[str, list[Record]] = {}
    for record in records:
        by_digest.setdefault(record.sha256, []).append(record)
    by_digest.pop("", None)
    digests = list(by_digest)
    for start in range(0, len(digests), _BATCH):
        real = Image.objects.real().filter(sha256__in=digests[start : start + _BATCH])
        for image in real.select_related("dataset"):
            for record in by_digest[image.sha256]:
                yield f"{record.name} is a real image: {image.name} of “{image.dataset}”."


def _decoded(data: bytes) -> Pillow.Image:
    image = Pillow.open(io.BytesIO(data))
    image.load()
    return image


def _store(record: Record, about: dict[str, Any], fresh: list[str]) -> Image:
    """The image, stored as a PNG without any of the file's metadata, which may hold names."""
    data = record.read()
    if sha256(data) != record.sha256:
        raise ImportRefused(f"{record.name} has changed while it was imported: start again.")
    image, changes = as_rgb(_decoded(data))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=COMPRESSION)
    png = buffer.getvalue()
    digest = sha256(png)
    known = default_storage.exists(f"images/{digest[:2]}/{digest}.png")
    file, _ = store_image(png, suffix=".png")
    if not known:
        fresh.append(file)
    return Image(
        kind=Image.Kind.GENERATED,
        file=file,
        sha256=digest,
        width=image.width,
        height=image.height,
        index=about["index"],
        provenance={
            **about,
            "family": IMPORTED,
            "source": record.name,
            "source_sha256": record.sha256,
            **({"changes": changes} if changes else {}),
            "imported_at": timezone.now().isoformat(timespec="seconds"),
        },
    )


def _write_rows(
    name: str,
    source: str,
    licence: str,
    archive_name: str,
    stored: dict[Prompt, list[Image]],
    by: User | None,
) -> Run:
    check_name(name)  # once more: another may have taken it meanwhile
    now = timezone.now()
    sets = list(stored.values())
    first = sets[0][0]
    total = sum(map(len, sets))
    generator = Generator.objects.create(
        name=name,
        slug=slugify(name),
        family=IMPORTED,
        checkpoint=archive_name[-500:],
        digest=_digest(stored),
        licence=licence,
        settings={"width": first.width, "height": first.height},
        card={"source": source},
    )
    run = Run.objects.create(
        generator=generator,
        images_per_set=len(sets[0]),
        created_by=by,
        status=Run.Status.DONE,
        done=total,
        total=total,
        started_at=now,
        finished_at=now,
    )
    for prompt, images in stored.items():
        image_set = ImageSet.objects.create(run=run, prompt=prompt, completed_at=now)
        for image in images:
            image.image_set = image_set
            image.provenance["run"] = run.pk
    Image.objects.bulk_create([image for images in sets for image in images], batch_size=_BATCH)
    return run


def _digest(stored: dict[Prompt, list[Image]]) -> str:
    """SHA-256 over a line of JSON for each image: its prompt, index and own digest."""
    digest = hashlib.sha256()
    for prompt, images in stored.items():
        for image in images:
            digest.update(json.dumps([prompt.text, image.index, image.sha256]).encode() + b"\n")
    return digest.hexdigest()
