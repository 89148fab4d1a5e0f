"""Archives that can't be imported say why, and leave nothing behind."""

import hashlib
import io
import json
import zipfile

import pytest
from django.apps import apps
from django.conf import settings
from PIL import Image as Pillow

from analysis.takeout import TakeoutError
from analysis.takeout.reading import read_study
from generation.models import Dataset, Generator
from tests import builders

pytestmark = pytest.mark.django_db
FLOORS = ("analysis", "annotation", "generation")


def unpacked(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, files, *, sums=True):
    """The files as an archive, with checksums made anew: as a forger would."""
    files = {name: content for name, content in files.items() if content is not None}
    if sums:
        names = sorted(set(files) - {"SHA256SUMS"})
        lines = [f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in names]
        files = {**files, "SHA256SUMS": "".join(lines).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def replaced(file, old, new):
    def change(files):
        assert old in files[file], f"{old!r} is not in {file}"
        return {file: files[file].replace(old, new, 1)}

    return change


def an_image_of(files):
    return min(name for name in files if name.startswith("images/"))


def about(**changes):
    return lambda files: {
        "export.json": json.dumps({**json.loads(files["export.json"]), **changes}).encode()
    }


def a_bomb(files):
    return {an_image_of(files): b"\0" * (50 * 2**20)}


def a_png_of_another_size(files):
    out = io.BytesIO()
    Pillow.new("RGB", (3, 3)).save(out, "PNG")
    return {an_image_of(files): out.getvalue()}


def a_score_raised(files):
    rows = files["data/scores.csv"].decode().split("\r\n")
    cells = rows[1].split(",")
    place = rows[0].split(",").index("score")
    cells[place] = str((int(cells[place]) + 1) % 11)
    return {"data/scores.csv": "\r\n".join([rows[0], ",".join(cells), *rows[2:]]).encode()}


def a_report_with(results):
    def change(files):
        row = b"1,histogram,2000,1,done,1,1," + b",".join([b"2026-01-01T00:00:00.000000Z"] * 3)
        return {
            "data/reports.csv": files["data/reports.csv"] + row + b"\r\n",
            "reports/1/results.json": json.dumps(results).encode(),
        }

    return change


def an_act_without_details(files):
    rows = files["data/events.csv"].decode().split("\r\n")
    rows[1] = rows[1].replace(",{},", ",[],", 1)
    return {"data/events.csv": "\r\n".join(rows).encode()}


# What is done to the files, whether checksums are made anew, and what is said.
BAD = {
    "a file is missing": (
        lambda files: {"data/scores.csv": None}, False, "data/scores.csv is missing"),
    "a file is missing, and its checksum": (
        lambda files: {"data/scores.csv": None}, True, "data/scores.csv is missing"),
    "a score was changed": (
        lambda files: {"data/scores.csv": files["data/scores.csv"] + b"x"}, False,
        "data/scores.csv is damaged or was changed"),
    "a score was changed, and its checksum": (a_score_raised, True,
        "Answers were changed: scores or rankings are not those of the closing"),
    "a file was added": (
        lambda files: {"data/more.csv": b""}, False, "data/more.csv is not named in SHA256SUMS"),
    "no checksums": (lambda files: {"SHA256SUMS": None}, False, "SHA256SUMS is missing"),
    "garbled checksums": (lambda files: {"SHA256SUMS": b"none"}, False, "SHA256SUMS can't be read"),
    "no export": (lambda files: {"export.json": None}, True, "no study that was exported"),
    "another export": (about(format="else"), True, "no study that was exported"),
    "a later version": (about(version=99), True, "in version 99 of the format"),
    "a place outside": (
        lambda files: {"../../evil.txt": b"x"}, True, "names a place outside the ZIP"),
    "an absolute place": (lambda files: {"/etc/evil": b"x"}, True, "names a place outside the ZIP"),
    "a bomb": (a_bomb, True, "expands more than 200-fold"),
    "no image": (
        lambda files: {an_image_of(files): b"<svg/>"}, True, "is no image, or not the one"),
    "another image": (a_png_of_another_size, True, "is no image, or not the one"),
    "no images": (
        lambda files: {name: None for name in files if name.startswith("images/")}, True,
        "it was made without images, for sharing"),
    "another column": (
        replaced("data/arms.csv", b"name", b"nome"), True, "data/arms.csv has other columns than"),
    "a cell that is no number": (
        replaced("data/arms.csv", b"\r\n1,", b"\r\none,"), True, "data/arms.csv, row 2"),
    "a reader who isn't there": (
        replaced("data/letters.csv", b"R1", b"R9"), True, "data/letters.csv doesn't fit"),
    "a set twice": (
        lambda files: {"data/sets.csv": files["data/sets.csv"] + files["data/sets.csv"].split(
            b"\r\n")[1] + b"\r\n"}, True, "data/sets.csv doesn't fit"),
    "a score out of range": (
        lambda files: {"data/scores.csv": files["data/scores.csv"].replace(
            b",false,", b"0,false,", 1)}, True, "data/scores.csv doesn't fit"),
    "an act reworded": (
        replaced("data/events.csv", b",seal,", b",open,"), True, "record of acts was changed"),
    "an act removed": (
        lambda files: {"data/events.csv": files["data/events.csv"][
            : files["data/events.csv"].rstrip(b"\r\n").rindex(b"\r\n") + 2]}, True,
        "record of acts was changed"),
    "an act without details": (
        an_act_without_details, True, "The record of acts can't be read"),
    "a report that is a list": (
        a_report_with([]), True, "reports/1/results.json can't be a report's numbers"),
    "a design that is a text": (
        a_report_with({"design": "ab"}), True, "whose “design” is a list of pairs of texts"),
    "a line of design without its words": (
        a_report_with({"design": [["Sealed"]]}), True, "whose “design” is a list of pairs"),
    "sealed otherwise": (
        replaced("sealed.json", b'"seed": 20260101', b'"seed": 20260102'), True,
        "sealed.json) was changed"),
    "a broken protocol": (
        replaced("protocol.json", b'"criteria"', b'"kriteria"'), True, "protocol can't be read"),
    "a protocol that is no JSON": (
        lambda files: {"protocol.json": b"{"}, True, "protocol.json is missing or can't be read"),
    "still blinded": (
        replaced("data/study.csv", b",closed,", b",running,"), True, "only those with visible"),
    "a title too long": (
        replaced("data/study.csv", b"Polyps,", b"P" * 200 + b","), True, "title: Ensure this"),
}  # fmt: skip


def rows():
    return {
        model.__name__: model.objects.count()
        for app in FLOORS
        for model in apps.get_app_config(app).get_models()
    }


@pytest.mark.parametrize("what", BAD)
def test_it_is_refused_and_nothing_is_left(archive, tmp_path, what):
    change, sums, words = BAD[what]
    files = unpacked(archive)
    bad = packed(tmp_path / "bad.zip", {**files, **change(files)}, sums=sums)
    zoe = builders.a_user("zoe")
    before, stored = rows(), set(settings.MEDIA_ROOT.rglob("*.png"))
    for file in stored:
        file.unlink()
    with pytest.raises(TakeoutError) as refused:
        read_study(bad, by=zoe)
    assert words in str(refused.value)
    assert rows() == before
    assert list(settings.MEDIA_ROOT.rglob("*.png")) == []


def test_what_is_no_zip_is_refused(tmp_path, db):
    zoe = builders.a_user("zoe", researcher=True)
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 nothing more")
    with pytest.raises(TakeoutError, match="is no ZIP, or only a part of one"):
        read_study(tmp_path / "bad.zip", by=zoe)


def test_only_a_researcher_can_own_what_is_imported(archive):
    with pytest.raises(TakeoutError, match="is no researcher"):
        read_study(archive, by=builders.a_user("bob"))


def test_what_is_called_the_same_and_is_another_is_named(archive):
    generator = unpacked(archive)["data/generators.csv"].decode().splitlines()[1].split(",")
    Generator.objects.create(
        slug=generator[0], name=generator[1], family="flux", checkpoint="x", digest="0" * 64
    )
    with pytest.raises(TakeoutError, match=r"There is a generator .* here already, with another"):
        read_study(archive, by=builders.a_user("zoe"))


def test_what_is_the_same_is_used(archive):
    table = unpacked(archive)["data/datasets.csv"].decode().splitlines()[1].split(",")
    there = Dataset.objects.create(slug=table[0], name=table[1])
    study = read_study(archive, by=builders.a_user("zoe"))
    assert Dataset.objects.get() == there
    assert {case.prompt.dataset for case in study.cases.all()} == {there}
