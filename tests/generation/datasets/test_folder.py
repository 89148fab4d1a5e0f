import csv
import struct
import zlib

import pytest
from PIL import Image

from generation.datasets import DatasetError
from generation.datasets.layouts import read_dataset
from generation.datasets.records import MAX_CAPTION
from tests.builders import png

HEADER = ["image", "split", "caption"]
GOOD = [
    ["a.png", "train", "one polyp"],
    ["a.png", "train", "a small polyp"],
    ["b.png", "test", "two polyps"],
]


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(["a.png", "b.png", "c.png"]):
        (folder / name).write_bytes(png(number))
    return folder


def write(images, rows=GOOD, *, header=HEADER, encoding="utf-8", name="captions.csv"):
    file = images.parent / name
    with file.open("w", encoding=encoding, newline="") as out:
        csv.writer(out).writerows([header, *rows])
    return file


def read(images, captions, **options):
    return read_dataset("folder", images=images, captions=captions, **options)


def problems(images, file):
    with pytest.raises(DatasetError) as caught:
        read(images, file)
    return str(caught.value)


def test_captions_are_gathered_by_image_and_the_rest_of_the_folder_is_left_alone(images):
    first, second = read(images, write(images))
    assert (first.name, first.split, first.captions) == (
        "a.png",
        "train",
        ["one polyp", "a small polyp"],
    )
    assert (second.width, second.height, len(second.sha256)) == (16, 16, 64)


def test_progress_counts_images(images):
    steps = []
    read(images, write(images), progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_umlauts_are_read_with_and_without_a_byte_order_mark(images, encoding):
    [record] = read(images, write(images, [["a.png", "test", "Gefäß"]], encoding=encoding))
    assert record.captions == ["Gefäß"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (["missing.png", "test", "x"], "line 5: there is no image “missing.png” in"),
        (["../captions.csv", "test", "x"], "line 5: “../captions.csv” lies outside the folder"),
        (["/etc/passwd", "test", "x"], "“/etc/passwd” lies outside the folder"),
        (["", "test", "x"], "line 5: no image is named"),
        (["c.png", "test", "  "], "line 5: the caption of c.png is empty"),
        (["c.png", "dev", "x"], "line 5: there is no split “dev”; it must be one of: train, "),
        (["c.png", "", "x"], "there is no split “”"),
        (["a.png", "test", "x"], "line 5: a.png stands in the split train and in test"),
        (["a.png", "train", "one polyp"], "line 5: a.png has the caption “one polyp” twice"),
        (["c.png", "test", "x" * (MAX_CAPTION + 1)], f"{MAX_CAPTION} are the most"),
        (["c.png"], "the caption of c.png is empty"),
    ],
)
def test_a_bad_row_is_named_by_its_line(images, row, complaint):
    assert complaint in problems(images, write(images, [*GOOD, row]))


def test_an_image_that_is_there_twice_is_named_with_its_twin(images):
    (images / "copy.png").write_bytes((images / "a.png").read_bytes())
    file = write(images, [*GOOD, ["copy.png", "train", "x"]])
    assert "copy.png and a.png are the same image: keep one" in problems(images, file)


def test_an_unreadable_and_a_truncated_image_are_refused(images):
    (images / "text.png").write_text("no image")
    whole = png(9, size=64)
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    rows = [["text.png", "test", "x"], ["cut.png", "test", "x"]]
    found = problems(images, write(images, rows))
    assert "text.png can't be decoded as an image" in found
    assert "cut.png can't be decoded as an image" in found


@pytest.mark.parametrize("side", [7100, 14000])
def test_a_huge_image_is_refused_before_it_is_decoded(images, side):
    """A PNG that claims side × side pixels and holds none of them."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    (images / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    found = problems(images, write(images, [["bomb.png", "test", "x"]]))
    assert "bomb.png" in found
    assert "scale it down" in found


def test_a_wrong_encoding_names_line_and_byte(images):
    file = write(images, [["a.png", "test", "fine"], ["b.png", "test", "Gefäß"]], encoding="cp1252")
    assert "captions.csv, line 3: byte 0xe4 is not UTF-8" in problems(images, file)


def test_missing_columns_are_named_with_those_found(images):
    file = write(images, header=["file", "split", "text"])
    found = problems(images, file)
    assert "has no column caption, image; its columns are: file, split, text" in found


def test_other_column_names_can_be_given(images):
    file = write(images, header=["file", "part", "text"])
    records = read(images, file, image_column="file", caption_column="text", split_column="part")
    assert len(records) == 2


def test_missing_files_and_empty_files_are_refused(images):
    assert "is not a folder" in problems(images / "nowhere", write(images))
    assert "nothing.csv can't be read" in problems(images, images / "nothing.csv")
    assert "has no rows" in problems(images, write(images, []))


def test_all_problems_come_at_once_and_the_message_shows_twenty(images):
    rows = [[f"missing-{n}.png", "test", "x"] for n in range(25)]
    (images / "text.png").write_text("no image")
    rows.append(["text.png", "test", "x"])
    with pytest.raises(DatasetError) as caught:
        read(images, write(images, rows))
    assert len(caught.value.problems) == 26
    assert str(caught.value).splitlines()[-1] == "… and 6 more"


def test_greyscale_and_jpeg_images_are_read(images):
    Image.new("L", (20, 10), 90).save(images / "grey.jpg")
    [record] = read(images, write(images, [["grey.jpg", "test", "x"]]))
    assert (record.width, record.height) == (20, 10)
