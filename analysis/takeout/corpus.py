"""Tables of what a study shows: data sets, prompts, generators, runs, images."""

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from django.db.models import Model
from PIL import Image as Pillow

from analysis.takeout import TakeoutError
from analysis.takeout.arriving import Arriving
from analysis.takeout.cells import Row, Table, data, text, time, whole, yes_no
from analysis.takeout.leaving import Leaving, placeless
from annotation.errors import listed
from generation.models import Dataset, Generator, Image, ImageSet, Prompt, Run

IMAGE = whole("image", "Number of the image in table images.")
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


def image_file(sha256: str, suffix: str) -> str:
    return f"images/{sha256}{suffix}"


# Data sets


def _dataset_rows(leaving: Leaving) -> Iterable[Row]:
    for dataset in leaving.datasets:
        yield {
            "dataset": dataset.slug,
            "name": dataset.name,
            "source": dataset.source,
            "licence": dataset.licence,
            "phantom": dataset.phantom,
        }


def _restore_datasets(arriving: Arriving, rows: list[Row]) -> None:
    wanted = {(slug := row.pop("dataset")): {**row, "slug": slug} for row in rows}
    arriving.datasets = _there_or_new(arriving, Dataset, wanted)


# Generators


def _generator_rows(leaving: Leaving) -> Iterable[Row]:
    for generator in leaving.generators:
        yield {
            "generator": generator.slug,
            "name": generator.name,
            "family": generator.family,
            "checkpoint": placeless(generator.checkpoint),
            "revision": generator.revision,
            "digest": generator.digest,
            "licence": generator.licence,
            "settings": generator.settings,
            "card": placeless(generator.card),
            "trained_on": generator.trained_on.slug if generator.trained_on else "",
            "trained_split": generator.trained_split,
        }


def _restore_generators(arriving: Arriving, rows: list[Row]) -> None:
    wanted = {}
    for row in rows:
        slug, trained_on = row.pop("generator"), row.pop("trained_on")
        dataset = arriving.datasets[trained_on] if trained_on else None
        wanted[slug] = {**row, "slug": slug, "trained_on": dataset}
    arriving.generators = _there_or_new(arriving, Generator, wanted)


def _there_or_new(
    arriving: Arriving, model: type[Any], wanted: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Rows by slug: those that are here already, where they say the same, and new ones."""
    found = model.objects.in_bulk(wanted, field_name="slug")
    named = model.objects.filter(name__in=[fields["name"] for fields in wanted.values()])
    problems = [_clash(row, wanted.get(row.slug, {})) for row in {*found.values(), *named}]
    if problems := sorted(filter(None, problems)):
        raise TakeoutError(problems)
    new = {slug: model(**fields) for slug, fields in wanted.items() if slug not in found}
    return {**found, **arriving.keyed(model, list(new), new.values())}


def _clash(there: Model, wanted: dict[str, Any]) -> str:
    """How a row of this database differs from that of the archive with the same name."""
    differing = [
        key for key, value in wanted.items() if placeless(getattr(there, key)) != placeless(value)
    ]
    if wanted and not differing:
        return ""
    kind = there._meta.verbose_name
    how = f"another {listed(differing)}" if differing else "another short name"
    return (
        f"There is a {kind} “{there}” here already, with {how}: rename the one that is here "
        "(in the admin), then import again."
    )


# Prompts


def _prompt_rows(leaving: Leaving) -> Iterable[Row]:
    for prompt, place in leaving.prompts.items():
        original = prompt.rephrasing_of
        yield {
            "prompt": place,
            "dataset": prompt.dataset.slug,
            "text": prompt.text,
            "reference_caption": prompt.reference_caption,
            "rephrasing_of": leaving.prompts[original] if original else None,
        }


def _restore_prompts(arriving: Arriving, rows: list[Row]) -> None:
    """Originals first: rephrasings name them."""
    for row in sorted(rows, key=lambda row: row["rephrasing_of"] is not None):
        of = row["rephrasing_of"]
        fields = {
            "dataset": arriving.datasets[row["dataset"]],
            "text": row["text"],
            "reference_caption": row["reference_caption"],
            "rephrasing_of": arriving.prompts[of] if of else None,
        }
        there = Prompt.objects.filter(dataset=fields["dataset"], text=row["text"]).first()
        if there and any(getattr(there, key) != value for key, value in fields.items()):
            raise TakeoutError(
                f"The prompt “{there}” of “{there.dataset}” rephrases another here, or has another "
                "reference caption: rename the data set that is here (in the admin), then import "
                "again."
            )
        arriving.prompts[row["prompt"]] = there or arriving.create(Prompt, [Prompt(**fields)])[0]


# Runs


RUN_FIELDS = ("images_per_set", "seed", "status", "done", "total", "priority", "queued_at",
              "started_at", "finished_at")  # fmt: skip


def _run_rows(leaving: Leaving) -> Iterable[Row]:
    for run, place in leaving.runs.items():
        fields = {name: getattr(run, name) for name in RUN_FIELDS}
        yield {"run": place, "generator": run.generator.slug, **fields}


def _restore_runs(arriving: Arriving, rows: list[Row]) -> None:
    arriving.runs = arriving.keyed(
        Run,
        [row.pop("run") for row in rows],
        [
            Run(
                **{**row, "generator": arriving.generators[row["generator"]]},
                created_by=arriving.by,
            )
            for row in rows
        ],
    )


# Image sets


def _image_set_rows(leaving: Leaving) -> Iterable[Row]:
    for image_set, (run, prompt) in leaving.image_sets.items():
        yield {"run": run, "prompt": prompt, "completed_at": image_set.completed_at}


def _restore_image_sets(arriving: Arriving, rows: list[Row]) -> None:
    arriving.image_sets = arriving.keyed(
        ImageSet,
        [(row["run"], row["prompt"]) for row in rows],
        [
            ImageSet(
                run=arriving.runs[row["run"]],
                prompt=arriving.prompts[row["prompt"]],
                completed_at=row["completed_at"],
            )
            for row in rows
        ],
    )


# Images


def _image_rows(leaving: Leaving) -> Iterable[Row]:
    numbers = {prompt.pk: place for prompt, place in leaving.prompts.items()}
    sets = {image_set.pk: key for image_set, key in leaving.image_sets.items()}
    for image, place in leaving.images.items():
        run, prompt = sets.get(image.image_set_id or 0, (None, None))
        yield {
            "image": place,
            "kind": image.kind,
            "sha256": image.sha256,
            "suffix": suffix_of(image),
            "width": image.width,
            "height": image.height,
            "dataset": image.dataset.slug if image.dataset else "",
            "name": image.name,
            "split": image.split,
            "captions": sorted(numbers[prompt.pk] for prompt in image.prompts.all()),
            "run": run,
            "prompt": prompt,
            "index": image.index,
            "seed": image.seed,
            "made_at": image.created_at,
            "provenance": placeless(image.provenance),
        }


def suffix_of(image: Image) -> str:
    return PurePosixPath(str(image.file)).suffix


def _restore_images(arriving: Arriving, rows: list[Row]) -> None:
    """Real images that are here already are taken; all others are stored."""
    real = Image.objects.filter(dataset__in=arriving.datasets.values()).select_related("dataset")
    there = {(image.dataset.slug, image.name): image for image in real if image.dataset}
    new: dict[int, Image] = {}
    captions: list[tuple[int, int]] = []
    for row in rows:
        known = there.get((row["dataset"], row["name"])) if row["dataset"] else None
        if known and (known.sha256, known.split) != (row["sha256"], row["split"]):
            raise TakeoutError(
                f"The image “{known}” of the data set “{known.dataset}” is another one here: "
                "rename the data set that is here (in the admin), then import again."
            )
        if known:
            arriving.images[row["image"]] = known
            continue
        new[row["image"]] = _image(arriving, row)
        captions += [(row["image"], prompt) for prompt in row["captions"]]
    arriving.images |= arriving.keyed(Image, list(new), new.values())
    through = Image.prompts.through
    through.objects.bulk_create(
        through(image=arriving.images[image], prompt=arriving.prompts[prompt])
        for image, prompt in captions
    )


def check_images(rows: list[Row], read: Mapping[str, Callable[[], bytes]]) -> dict[str, str]:
    """The files of the table images, each with its suffix.

    Raises `TakeoutError` where one is missing, no image, or another than the table says.
    """
    files = {}
    for row in rows:
        file = image_file(row["sha256"], row["suffix"])
        if file not in read:
            raise TakeoutError(
                f"{file} is not in the archive: it was made without images, for sharing. Ask for "
                "one with them."
            )
        if row["suffix"] not in SUFFIXES or _size(read[file]()) != (row["width"], row["height"]):
            raise TakeoutError(f"{file} is no image, or not the one that the table images has.")
        files[file] = row["suffix"]
    return files


def _image(arriving: Arriving, row: Row) -> Image:
    real = bool(row["dataset"])
    return Image(
        kind=row["kind"],
        file=arriving.stored[image_file(row["sha256"], row["suffix"])],
        sha256=row["sha256"],
        width=row["width"],
        height=row["height"],
        dataset=arriving.datasets[row["dataset"]] if real else None,
        name=row["name"],
        split=row["split"],
        image_set=None if real else arriving.image_sets[row["run"], row["prompt"]],
        index=row["index"],
        seed=row["seed"],
        created_at=row["made_at"],
        provenance=row["provenance"],
    )


def _size(content: bytes) -> tuple[int, int] | None:
    try:
        with Pillow.open(io.BytesIO(content)) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return None


TABLES = [
    Table(
        "datasets",
        "A data set of real images or of prompts; only what the study shows of it is here.",
        [
            text("dataset", "Its short name."),
            text("name", "Its name."),
            text("source", "Where it came from."),
            text("licence", "Its licence."),
            yes_no("phantom", "Drawn, not from patients."),
        ],
        _dataset_rows,
        _restore_datasets,
    ),
    Table(
        "generators",
        "A text-to-image model under study.",
        [
            text("generator", "Its short name."),
            text("name", "Its name."),
            text("family", "What kind of model it is; imported where only its images were."),
            text("checkpoint", "Hub id, or the last part of the local directory."),
            text("revision", "Of the hub repository."),
            text("digest", "SHA-256 over the checkpoint's files, or over the imported images."),
            text("licence", "Licence of the model."),
            data("settings", "How it is sampled."),
            data("card", "What its checkpoint says of itself."),
            text("trained_on", "Short name of the data set it was trained on."),
            text("trained_split", "Split of that data set."),
        ],
        _generator_rows,
        _restore_generators,
    ),
    Table(
        "prompts",
        "A text from which images were generated, or the caption of real images.",
        [
            whole("prompt", "Its number here."),
            text("dataset", "Short name of its data set."),
            text("text", "The prompt."),
            text("reference_caption", "Caption of real images that show what is asked."),
            whole("rephrasing_of", "Number of the prompt that it says in other words."),
        ],
        _prompt_rows,
        _restore_prompts,
    ),
    Table(
        "runs",
        "A generator asked for images; done and total count all its images, here or not.",
        [
            whole("run", "Its number here."),
            text("generator", "Short name of the generator."),
            whole("images_per_set", "Images for each prompt."),
            whole("seed", "From it, the prompt and the index came each image's."),
            text("status", "How it ended."),
            whole("done", "Images made."),
            whole("total", "Images asked for."),
            whole("priority", "−1 low, 0 normal, 1 high."),
            time("queued_at", "When it was asked for."),
            time("started_at", "When the first image was begun."),
            time("finished_at", "When it was over."),
        ],
        _run_rows,
        _restore_runs,
    ),
    Table(
        "image_sets",
        "The images that one run made for one prompt.",
        [
            whole("run", "Number of the run."),
            whole("prompt", "Number of the prompt."),
            time("completed_at", "When the last image was there."),
        ],
        _image_set_rows,
        _restore_image_sets,
    ),
    Table(
        "images",
        "An image; its file is images/SHA256SUFFIX.",
        [
            whole("image", "Its number here."),
            text("kind", "real or generated."),
            text("sha256", "SHA-256 of the file."),
            text("suffix", "Of the file's name."),
            whole("width", "Pixels."),
            whole("height", "Pixels."),
            text("dataset", "Short name of a real image's data set."),
            text("name", "A real image's name in its data set."),
            text("split", "A real image's split: train, validation, test."),
            data("captions", "Numbers of a real image's captions in the table prompts."),
            whole("run", "Of a generated image, the run."),
            whole("prompt", "Of a generated image, the prompt."),
            whole("index", "Of a generated image, its place in the set, from 0."),
            whole("seed", "Of a generated image, where it was made here."),
            time("made_at", "When it was made or imported."),
            data(
                "provenance", "How a generated image was made: model, settings, software, device."
            ),
        ],
        _image_rows,
        _restore_images,
    ),
]
