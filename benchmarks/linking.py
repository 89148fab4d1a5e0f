"""Can a reader who keeps every byte link letters to models by anything but the pixels?

    python -m benchmarks.linking [--pairs 20] [--readers 1] [--arms 3] [--size 64] [--alike]

Makes a study whose arms differ in all that a file can differ in (format, size, colour mode,
metadata, grain), fetches what each reader's browser can get, and lets `annotation.linking` attack
it: told the truth about all cases but one, it links the sets of that case to arms by each trace in
turn. The last two rows are no leaks, but show that the attack works where there is something to
see: the size of the files, which follows from their pixels, and the brightness of the pixels
themselves. With ``--alike`` all arms draw their pixels in the same way and differ in their files
alone: then these two rows must be at chance, too.
"""

import argparse
import hashlib
import io
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from django.core.files.base import ContentFile
from PIL import Image as Pillow

from annotation.linking import SeenSet


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=20, help="pairs of prompts, two cases each")
    parser.add_argument("--readers", type=int, default=1, help="who put their bytes together")
    parser.add_argument("--arms", type=int, default=3)
    parser.add_argument("--images", type=int, default=10, help="in a set")
    parser.add_argument("--size", type=int, default=64, help="pixels a side of presented images")
    parser.add_argument("--seed", type=int, default=0, help="of the images")
    parser.add_argument("--alike", action="store_true", help="arms differ in their files alone")
    return parser.parse_args()


def set_up(folder: Path) -> None:
    """Django on an empty database."""
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings",
        DATA_DIR=str(folder),
        MEDIA_ROOT=str(folder / "media"),
        DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}",
        STORAGE_BUCKET="",
    )
    import django
    from django.core.management import call_command

    django.setup()
    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)


def main() -> None:
    args = arguments()
    with TemporaryDirectory() as folder:
        set_up(Path(folder))
        linked(args)


def linked(args: argparse.Namespace) -> None:
    """Make the study, attack it and print what came of it."""
    from annotation.linking import attack

    study = a_study(args)
    sets, bodies, began = [], [], time.perf_counter()
    for reader in study.readers.all():
        for seen, images in kept_by(reader):
            sets.append(seen)
            bodies += images
    seconds = time.perf_counter() - began
    print(
        f"{len(sets)} sets of {study.cases.count()} cases, {args.arms} arms, {args.readers} "
        f"readers; {len(bodies)} images of sets, {sum(map(len, bodies)) / 1e6:.0f} MB; "
        f"{len(bodies) - len(set(bodies))} with the bytes of another. {seconds:.0f} s"
    )
    print(f"{'linked by':40} {'right':>6} {'95 % interval':>16} {'chance':>7} {'p':>7}")
    for link in attack(sets):
        interval = f"{link.low:.1%} to {link.high:.1%}"
        print(
            f"{link.trace:40} {link.accuracy:6.1%} {interval:>16} {link.chance:7.1%} {link.p:7.4f}"
        )


def a_study(args: argparse.Namespace):
    """A sealed study whose sets hold images of every kind, and its readers' plans."""
    from annotation.models import CaseSet
    from annotation.readers import add_reader
    from annotation.studies import mark_checked, seal_study
    from generation.models import Image
    from tests import builders

    protocol = builders.a_protocol(
        images_per_set=args.images, references_per_case=4, image_size=args.size, repeats=0.1
    )
    study = builders.a_draft(pairs=args.pairs, arms=args.arms, protocol=protocol)
    builders.complete_sets(study)
    make = a_file_of if args.alike else an_image_of
    for shown in CaseSet.objects.filter(case__study=study).select_related("arm"):
        for image in Image.objects.filter(image_set=shown.image_set_id):
            content = make(shown.arm.position, [args.seed, image.pk])
            image.sha256 = hashlib.sha256(content).hexdigest()
            image.file.save(f"images/{image.sha256}", ContentFile(content))
    mark_checked(study=study, by=study.owner)
    seal_study(study=study, by=study.owner)
    for i in range(args.readers):
        add_reader(study=study, user=builders.a_user(f"reader-{i + 1}"), by=study.owner)
    return study


def an_image_of(arm: int, seed: list[int]) -> bytes:
    """A file as only this arm makes them: coarse or fine, PNG or JPEG, with or without metadata."""
    random = np.random.default_rng(seed)
    side = 12 * 2 ** (arm % 3)
    pixels = random.normal(100 + 12 * arm, 40, (side, side + 4 * (arm % 2), 3)).clip(0, 255)
    image = Pillow.fromarray(pixels.astype(np.uint8))
    out = io.BytesIO()
    if arm % 3 == 0:
        image.quantize(32).save(out, "PNG")
    elif arm % 3 == 1:
        image.save(out, "PNG", compress_level=1)
    else:
        image.save(out, "JPEG", quality=60, comment=b"model " + str(arm).encode())
    return out.getvalue()


def a_file_of(arm: int, seed: list[int]) -> bytes:
    """The same kind of pixels for every arm, stored without loss as only this arm does."""
    random = np.random.default_rng(seed)
    pixels = random.normal(random.uniform(60, 180), 40, (24, 24, 3)).clip(0, 255)
    image = Pillow.fromarray(pixels.astype(np.uint8))
    out = io.BytesIO()
    if arm % 3 == 0:
        exif = Pillow.Exif()
        exif[0x0131] = f"model {arm}"
        image.save(out, "PNG", compress_level=9, exif=exif)
    elif arm % 3 == 1:
        image.save(out, "BMP")
    else:
        image.save(out, "WEBP", lossless=True)
    return out.getvalue()


def kept_by(reader) -> Iterator[tuple[SeenSet, list[bytes]]]:
    """Each set with its traces, and its images' bodies in the order in which they are shown."""
    from annotation.audits import measured
    from annotation.fetching import Browser, image_addresses

    browser = Browser(reader)
    for reading in reader.readings.all():
        visit = browser.reading(reading)
        fetched = {f.address: f.body for f in (*visit.before, *visit.after)}
        addresses = image_addresses(reading)
        for seen in measured(reading, visit)[0]:
            bodies = [
                fetched[address]
                for address, shown in addresses.items()
                if shown.reading_set and shown.reading_set.letter == seen.letter
            ]
            controls = {
                "(pixels) size of the files": float(np.mean([len(body) for body in bodies])),
                "(pixels) mean brightness": float(np.mean([_brightness(b) for b in bodies])),
            }
            yield replace(seen, traces={**seen.traces, **controls}), bodies


def _brightness(body: bytes) -> float:
    with Pillow.open(io.BytesIO(body)) as image:
        return float(np.asarray(image.convert("L")).mean())


if __name__ == "__main__":
    main()
