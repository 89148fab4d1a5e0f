"""Images made elsewhere come in as a generator: all of them, or nothing."""

import hashlib
import io
import json
import zipfile
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from PIL import Image as Pillow
from PIL import PngImagePlugin

from generation.datasets import DatasetError
from generation.imported_sets import import_sets, imported_run
from generation.imports import ImportRefused
from generation.manifest import run_zip
from generation.models import IMPORTED, Generator, Image, ImageSet, Run
from generation.runs import RunError, create_run
from tests.builders import a_dataset, a_generator, a_user, an_image, png
from tests.generation.datasets.pictures import encode, picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return a_user("alice", researcher=True)


@pytest.fixture
def dataset():
    """Four prompts: two originals with a rephrasing each."""
    return a_dataset(images_per_pair=1)


def theirs(folder: Path, *, prompts=4, images=2, **changed) -> Path:
    """A folder 1, 2, … for each prompt with 1.png, 2.png, …; bytes in place of some by name."""
    for prompt in range(1, prompts + 1):
        (folder / str(prompt)).mkdir(parents=True, exist_ok=True)
        for i in range(1, images + 1):
            data = encode(picture(100 * prompt + i, size=64), "PNG")
            (folder / str(prompt) / f"{i}.png").write_bytes(data)
    for name, data in changed.items():
        prompt, i, suffix = name.split("_")
        (folder / prompt[1:] / f"{i}.png").unlink()
        (folder / prompt[1:] / f"{i}.{suffix}").write_bytes(data)
    return folder


def as_zip(folder: Path) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"theirs/{file.relative_to(folder)}")
    out.seek(0)
    return out


def imported(dataset, archive, by, **options):
    said = {"name": "Zanzibar", "source": "The authors", "archive_name": "theirs.zip", **options}
    return import_sets(dataset=dataset, archive=archive, by=by, **said)


def stored_files() -> list[Path]:
    return [p for p in Path(django_settings.MEDIA_ROOT).rglob("*") if p.is_file()]


def refused(dataset, archive, by, **options) -> list[str]:
    """Its problems; nothing may have been left behind."""
    before = sorted(stored_files())
    with pytest.raises(DatasetError) as caught:
        imported(dataset, archive, by, **options)
    assert not Generator.objects.exists()
    assert not Run.objects.exists()
    assert sorted(stored_files()) == before
    return caught.value.problems


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_or_zip_becomes_a_generator_with_a_finished_run(tmp_path, dataset, alice, packed):
    folder = theirs(tmp_path / "theirs")
    archive = as_zip(folder) if packed else folder
    seen = []
    done = imported(
        dataset, archive, alice, licence="CC0", progress=lambda *step: seen.append(step)
    )
    run, generator = done.run, done.run.generator
    assert (generator.family, generator.licence) == (IMPORTED, "CC0")
    assert (generator.card, generator.checkpoint) == ({"source": "The authors"}, "theirs.zip")
    assert generator.settings == {"width": 64, "height": 64}
    assert (run.status, run.done, run.total, run.images_per_set) == ("done", 8, 8, 2)
    assert (run.seed, run.created_by, run.chunks.count()) == (None, alice, 0)
    sets = list(run.image_sets.all())
    assert [image_set.prompt for image_set in sets] == list(dataset.prompts.all())
    assert all(image_set.completed_at for image_set in sets)
    for number, image_set in enumerate(sets, 1):
        for index, image in enumerate(image_set.images.order_by("index")):
            original = folder / str(number) / f"{index + 1}.png"
            with Pillow.open(image.file) as ours, Pillow.open(original) as source:
                assert np.array_equal(np.asarray(ours), np.asarray(source))
            said = image.provenance
            assert said["family"] == "imported"
            assert said["source"] == f"{number}/{index + 1}.png"
            assert said["source_sha256"] == hashlib.sha256(original.read_bytes()).hexdigest()
            assert (said["importer"], said["run"], said["index"]) == ("alice", run.pk, index)
            assert (image.kind, image.seed, image.width) == ("generated", None, 64)
    assert seen[0] == (1, 8, "Checking images")
    assert seen[-1] == (8, 8, "Importing images")


def test_the_generator_s_digest_follows_from_its_images(tmp_path, dataset, alice):
    folder = theirs(tmp_path / "theirs")
    one = imported(dataset, folder, alice, name="One").run.generator
    two = imported(dataset, as_zip(folder), alice, name="Two").run.generator
    (folder / "1" / "1.png").rename(folder / "1" / "3.png")
    three = imported(dataset, folder, alice, name="Three").run.generator
    assert one.digest == two.digest != three.digest


def test_nothing_of_a_file_s_metadata_is_stored(tmp_path, dataset, alice):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "zanzibar-model steps 50")
    noted = encode(picture(1, size=64), "PNG", pnginfo=info)
    exif = Pillow.Exif()
    exif[0x010E] = "zanzibar-model"
    jpeg = encode(picture(2, size=64), "JPEG", exif=exif, icc_profile=b"zanzibar-profile")
    run = imported(dataset, theirs(tmp_path / "theirs", p1_1_png=noted, p1_2_jpg=jpeg), alice).run
    for image in Image.objects.filter(image_set__run=run):
        data = image.file.read()
        assert data.startswith(b"\x89PNG")
        assert b"zanzibar" not in data
    changes = Image.objects.get(provenance__source="1/2.jpg").provenance["changes"]
    assert changes == ["colour profile left out"]


def test_palettes_grey_opaque_alpha_and_turned_photographs_become_upright_rgb(
    tmp_path, dataset, alice
):
    base = picture(1, size=64)
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    folder = theirs(
        tmp_path / "theirs",
        p1_1_png=encode(base.convert("P"), "PNG"),
        p1_2_png=encode(base.convert("L"), "PNG"),
        p2_1_png=encode(base.convert("RGBA"), "PNG"),
        p3_1_png=encode(base.transpose(Pillow.Transpose.ROTATE_90), "PNG", exif=exif),
    )
    imported(dataset, folder, alice)
    rows = {image.provenance["source"]: image for image in Image.objects.generated()}
    assert rows["1/1.png"].provenance["changes"] == ["converted from P to RGB"]
    assert rows["1/2.png"].provenance["changes"] == ["converted from L to RGB"]
    assert rows["2/1.png"].provenance["changes"] == ["converted from RGBA to RGB"]
    turned = rows["3/1.png"]
    assert turned.provenance["changes"] == ["turned upright as its EXIF orientation says"]
    for name in ("2/1.png", "3/1.png"):
        with Pillow.open(rows[name].file) as image:
            assert (image.mode, image.info) == ("RGB", {})
            assert np.array_equal(np.asarray(image), np.asarray(base))


def test_every_image_that_is_not_fit_is_named_at_once(tmp_path, dataset, alice):
    deep = Pillow.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    clear = picture(3, size=64).convert("RGBA")
    clear.putalpha(0)
    whole = encode(picture(4, size=64), "PNG")
    real = an_image(dataset=dataset, content=encode(picture(5, size=64), "PNG"))
    folder = theirs(
        tmp_path / "theirs",
        images=3,
        p1_1_png=encode(deep, "PNG"),
        p1_2_jpg=encode(picture(2, size=64).convert("CMYK"), "JPEG"),
        p1_3_png=encode(clear, "PNG"),
        p2_1_png=whole[: len(whole) // 2],
        p2_2_png=b"no image",
        p2_3_png=encode(Pillow.new("RGB", (64, 64), (40, 40, 41)), "PNG"),
        p3_1_png=encode(picture(6, size=48), "PNG"),
        p3_2_png=whole,
        p3_3_bmp=encode(picture(4, size=64), "BMP"),
        p4_1_png=encode(picture(5, size=64), "PNG"),
        p4_2_tif=encode(picture(7, size=64), "TIFF"),
    )
    problems = refused(dataset, folder, alice)
    starts = [
        "1/1.png has ",
        "1/2.jpg has pixels of mode CMYK",
        "1/3.png is transparent in places",
        "2/1.png can't be decoded",
        "2/2.png can't be decoded",
        "2/3.png is blank",
        "3/3.bmp and 3/2.png are the same image",
        "4/2.tif is TIFF",
        "48×48 instead of 64×64 pixels: 3/1.png",
        f"4/1.png is a real image: {real.name} of “{dataset}”",
    ]
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(start), problem


def test_a_png_that_claims_more_pixels_than_can_be_decoded_is_refused(tmp_path, dataset, alice):
    claim = bytearray(encode(picture(1, size=64), "PNG"))
    claim[16:24] = (60_000).to_bytes(4, "big") * 2
    [problem] = refused(dataset, theirs(tmp_path / "theirs", p1_1_png=bytes(claim)), alice)
    assert problem.startswith("1/1.png ")


def test_wrong_names_and_wrong_pixels_are_said_together(tmp_path, dataset, alice):
    folder = theirs(tmp_path / "theirs", p1_1_png=b"no image")
    (folder / "4").rename(folder / "create-a-picture-that-shows-9-polyps")
    problems = refused(dataset, folder, alice)
    nearest = "Create a picture that shows 2 polyps."
    assert problems[0].endswith(f"the nearest is “{nearest}”.")
    assert "1 of 4 prompts has no images" in problems[1]
    assert problems[2].startswith("1/1.png can't be decoded")


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path, dataset, alice, settings):
    folder = theirs(tmp_path / "theirs")
    before = sorted(stored_files())

    def fill_up(done, total, title):
        if (done, title) == (5, "Importing images"):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        imported(dataset, folder, alice, progress=fill_up)
    assert not Generator.objects.exists()
    assert not ImageSet.objects.exists()
    assert sorted(stored_files()) == before


def test_images_that_were_stored_before_survive_a_refused_import(tmp_path, dataset, alice):
    folder = theirs(tmp_path / "theirs")
    run = imported(dataset, folder, alice).run

    def change(done, total, title):
        if (done, title) == (2, "Importing images"):
            (folder / "4" / "2.png").write_bytes(png(1, size=64))

    with pytest.raises(ImportRefused, match="has changed while it was imported"):
        imported(dataset, folder, alice, name="Again", progress=change)
    for image in Image.objects.filter(image_set__run=run):
        assert hashlib.sha256(image.file.read()).hexdigest() == image.sha256


@pytest.mark.parametrize(
    ("name", "words"),
    [("–", "letters or digits"), ("Import", "a name of its own"), ("x" * 81, "81 characters"),
     ("FERN", "already")],
)  # fmt: skip
def test_a_name_that_can_t_be_or_is_taken_is_refused(tmp_path, dataset, alice, name, words):
    a_generator(name="Fern", slug="fern")
    with pytest.raises(ImportRefused, match=words):
        imported(dataset, theirs(tmp_path / "theirs"), alice, name=name)


def test_a_data_set_without_prompts_is_refused(tmp_path, alice):
    with pytest.raises(ImportRefused, match="has no prompts"):
        imported(a_dataset(pairs=0), theirs(tmp_path / "theirs"), alice)


def test_no_run_can_be_asked_of_it(tmp_path, dataset, alice):
    run = imported(dataset, theirs(tmp_path / "theirs"), alice).run
    with pytest.raises(RunError, match="imported as images"):
        create_run(
            generator=run.generator,
            prompts=list(dataset.prompts.all()),
            images_per_set=2,
            seed=1,
            by=alice,
        )


def test_its_images_and_manifest_can_be_taken_away(tmp_path, dataset, alice):
    run = imported(dataset, theirs(tmp_path / "theirs"), alice).run
    with zipfile.ZipFile(io.BytesIO(b"".join(run_zip(run)))) as archive:
        first = json.loads(archive.read("manifest.jsonl").splitlines()[0])
    assert (first["seed"], first["provenance"]["source"]) == (None, "1/1.png")


def test_a_run_is_for_its_importer_and_for_what_was_imported(tmp_path, dataset, alice):
    prompts = list(dataset.prompts.all())
    folder = theirs(tmp_path / "theirs", prompts=2)
    run = imported(dataset, folder, alice, some=True).run
    wish = {"generator": run.generator, "prompts": prompts[:2], "images_per_set": 2, "user": alice}
    assert imported_run(**wish) == run
    for change, words in (
        ({"user": a_user("victor", researcher=True)}, "by somebody else"),
        ({"images_per_set": 1}, "with 2 images for each prompt, but the protocol shows 1"),
        ({"prompts": prompts}, "without images for 2 of these 4 prompts"),
    ):
        with pytest.raises(ImportRefused, match=words):
            imported_run(**{**wish, **change})


# The command


def command(folder, dataset, **options):
    out = StringIO()
    call_command(
        "import_sets", folder, name="Zanzibar", prompts_dataset=dataset.slug, owner="alice",
        source="The authors", stdout=out, **options,
    )  # fmt: skip
    return out.getvalue()


def test_the_command_says_what_came_in_and_what_was_left(tmp_path, dataset, alice):
    folder = theirs(tmp_path / "theirs")
    (folder / "README.txt").write_text("How they were made.")
    said = command(folder, dataset)
    run = Run.objects.get()
    assert "Imported “Zanzibar”: 8 images, 2 for each of 4 prompts." in said
    assert "Left alone, as no prompt claims it: README.txt." in said
    assert f"Generator: zanzibar. Its images: {run.get_absolute_url()}" in said
    assert run.generator.checkpoint == str(folder.resolve())


def test_the_command_lists_problems_and_writes_them_down(tmp_path, dataset, alice):
    folder = theirs(tmp_path / "theirs", prompts=3, p1_1_png=b"no image")
    file = tmp_path / "problems.txt"
    with pytest.raises(CommandError, match="Nothing was imported") as caught:
        command(folder, dataset, problems=file)
    assert "1/1.png can't be decoded" in str(caught.value)
    assert "1 of 4 prompts has no images" in file.read_text()
    with pytest.raises(CommandError, match="neither a folder nor a file"):
        command(tmp_path / "nowhere", dataset)
    assert "Imported" in command(theirs(tmp_path / "three", prompts=3), dataset, some_prompts=True)
