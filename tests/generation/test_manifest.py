import hashlib
import io
import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from PIL import Image as Pillow

from generation.manifest import ManifestError, run_files, run_zip, with_provenance
from generation.models import Image
from tests.builders import a_dataset, an_image
from tests.generation.a_run import a_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    return a_run(images_per_set=2, filled=4)


def pixels(data):
    return np.asarray(Pillow.open(io.BytesIO(data)))


def images_of(run):
    return list(Image.objects.filter(image_set__run=run).order_by("image_set", "index"))


def test_an_archive_s_files_are_those_of_its_digests_and_its_manifest(run):
    archive = zipfile.ZipFile(io.BytesIO(b"".join(run_zip(run))))
    assert archive.testzip() is None
    names = [f"images/{name}.png" for name in ("0001-01", "0001-02", "0002-01", "0002-02")]
    assert archive.namelist() == [*names, "manifest.jsonl", "SHA256SUMS"]
    lines = [json.loads(line) for line in archive.read("manifest.jsonl").splitlines()]
    assert [line["file"] for line in lines] == names
    for line, image in zip(lines, images_of(run), strict=True):
        assert line["sha256"] == hashlib.sha256(archive.read(line["file"])).hexdigest()
        assert line["sha256_stored"] == image.sha256
        assert (line["prompt"], line["index"]) == (image.image_set.prompt.text, image.index)
        assert (line["seed"], line["provenance"]) == (image.seed, image.provenance)
    assert lines[0]["rephrasing_of"] is None
    assert lines[2]["rephrasing_of"] == lines[0]["prompt"]


def test_a_file_says_how_it_was_made_and_has_the_pixels_that_were_stored(run):
    for image in images_of(run):
        data = with_provenance(image)
        with image.file.open() as stored:
            assert np.array_equal(pixels(data), pixels(stored.read()))
        picture = Pillow.open(io.BytesIO(data))
        picture.verify()
        text = picture.info
        assert text["Description"] == image.image_set.prompt.text
        assert text["Software"] == "Blindread"
        said = json.loads(text["blindread"])
        assert said["provenance"] == image.provenance
        assert said["sha256_stored"] == image.sha256


def test_prompts_in_any_script_stand_in_the_file(run):
    prompt = run.image_sets.first().prompt
    prompt.text = "Ein Bild mit „Polyp“, ポリープ"
    prompt.save()
    picture = Pillow.open(io.BytesIO(with_provenance(images_of(run)[0])))
    assert picture.info["Description"] == prompt.text
    assert json.loads(picture.info["blindread"])["prompt"] == prompt.text


def test_the_same_run_gives_the_same_bytes(run):
    assert b"".join(run_zip(run)) == b"".join(run_zip(run))


def test_an_archive_comes_in_pieces_of_an_image_each(run):
    sizes = [len(data) for _, data in run_files(run)]
    pieces = list(run_zip(run))
    assert len(pieces) == len(sizes) + 1
    for size, piece in zip(sizes[:4], pieces, strict=False):
        assert size < len(piece) < size + 100
    first = pieces[0]
    assert first[6:8] == b"\0\0", "no flag for a size that follows the data"
    assert int.from_bytes(first[18:22], "little") == sizes[0]


def test_an_unfinished_run_gives_the_images_that_are_there():
    names = [name for name, _ in run_files(a_run(images_per_set=2, filled=3))]
    assert names[:3] == ["images/0001-01.png", "images/0001-02.png", "images/0002-01.png"]
    assert len(names) == 5


@pytest.mark.parametrize("fault", ["missing", "changed", "cut"])
def test_a_file_that_is_not_what_was_stored_is_named_and_not_handed_out(run, fault):
    image = images_of(run)[1]
    path = Path(default_storage.path(image.file.name))
    if fault == "missing":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-20] if fault == "cut" else data[:-20] + b"x" * 20)
    with pytest.raises(ManifestError, match=rf"file of image {image.pk} .*Put images/.* back"):
        list(run_zip(run))


def test_a_real_image_has_no_record():
    with pytest.raises(ManifestError, match="is a real one"):
        with_provenance(an_image(dataset=a_dataset()))


# manage.py manifest


def test_a_folder_and_a_zip_hold_the_same_and_sha256sum_agrees(run, tmp_path, capsys):
    call_command("manifest", run.pk, "--output", tmp_path / "folder")
    call_command("manifest", run.pk, "--output", tmp_path / "deep" / "run.zip")
    said = capsys.readouterr().out
    assert f"Wrote 4 images of run {run.pk} to {tmp_path / 'folder'}.\n" in said
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=tmp_path / "folder",
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK") == 5
    archive = zipfile.ZipFile(tmp_path / "deep" / "run.zip")
    assert archive.testzip() is None
    for name in archive.namelist():
        assert archive.read(name) == (tmp_path / "folder" / name).read_bytes()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run.zip"]


def test_what_is_there_is_not_written_over(run, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    for place in ("a.zip", "folder"):
        with pytest.raises(CommandError, match="is there already: choose another --output"):
            call_command("manifest", run.pk, "--output", tmp_path / place)
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_a_damaged_image_leaves_no_zip_behind(run, tmp_path):
    Path(default_storage.path(images_of(run)[-1].file.name)).unlink()
    with pytest.raises(CommandError, match="back from a backup"):
        call_command("manifest", run.pk, "--output", tmp_path / "run.zip")
    assert list(tmp_path.glob("*.zip*")) == []


def test_a_run_that_is_not_there_or_has_nothing_is_said(tmp_path, capsys):
    run = a_run()
    with pytest.raises(CommandError, match=f"Run {run.pk} has no images yet"):
        call_command("manifest", run.pk, "--output", tmp_path / "x")
    with pytest.raises(CommandError, match=f"No run “77777”; there are: {run.pk}"):
        call_command("manifest", 77777, "--output", tmp_path / "x")
    part = a_run(filled=1)
    call_command("manifest", part.pk, "--output", tmp_path / "x")
    assert "3 are not there yet." in capsys.readouterr().out
