import pytest

from generation.datasets import DatasetError
from generation.datasets.layouts import read_dataset
from tests.generation.datasets.pictures import jpeg, write_table

HEADER = ["Prompt", "Filename"]
POLYP, TEXT = "Generate an image containing a polyp.", "Generate an image containing text."
PLACE = (
    "Generate an image with an an abnormality located in the center, upper-left and center-left."
)
ROWS = [[POLYP, "a.jpg"], [TEXT, "a.jpg"], [POLYP, "b.jpg"], [PLACE, "c.jpg"]]


@pytest.fixture
def published(tmp_path):
    """The development set: semicolons, a row for each prompt of an image."""

    def write(rows=ROWS, *, header=HEADER, delimiter=";"):
        write_table(tmp_path / "prompt-gt.csv", [header, *rows], delimiter=delimiter)
        return tmp_path

    (tmp_path / "images").mkdir()
    for number, name in enumerate(["a.jpg", "b.jpg", "c.jpg"]):
        (tmp_path / "images" / name).write_bytes(jpeg(number))
    return write


def captions(path, **options):
    return {r.name: r.captions for r in read_dataset("medvqa-gi", path, **options)}


EXPECTED = {"a.jpg": [POLYP, TEXT], "b.jpg": [POLYP], "c.jpg": [PLACE]}


def test_the_prompts_of_an_image_are_gathered(published):
    assert captions(published()) == EXPECTED


def test_one_image_in_ten_is_held_out_with_all_its_prompts(published):
    records = read_dataset("medvqa-gi", published())
    assert sorted(record.split for record in records) == ["test", "train", "train"]


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_separator_column_order_case_and_suffix_may_vary(published, delimiter):
    rows = [[name.removesuffix(".jpg"), prompt] for prompt, name in ROWS]
    path = published(rows, header=["ID", "PROMPT"], delimiter=delimiter)
    assert captions(path) == EXPECTED


def test_every_problem_is_named(published):
    path = published([[POLYP, "a.jpg"], [TEXT, "nowhere.jpg"], ["", "b.jpg"], [POLYP, "a.jpg"]])
    with pytest.raises(DatasetError) as caught:
        captions(path)
    message = str(caught.value)
    assert "prompt-gt.csv, line 3: there is no image “nowhere.jpg” in" in message
    assert "line 4: the caption of b.jpg is empty" in message
    assert f"line 5: a.jpg has the caption “{POLYP}” twice" in message
    assert "c.jpg has no prompt in prompt-gt.csv: add one or leave it out" in message


def test_an_image_without_prompt_can_be_left_out(published):
    path = published(ROWS[:3])
    assert set(captions(path, leave_out={"c.jpg"})) == {"a.jpg", "b.jpg"}


def test_missing_columns_folders_and_images_are_refused(published, tmp_path):
    with pytest.raises(DatasetError, match=r"has no column prompt/caption/text and filename/"):
        captions(published([["x", "y"]], header=["Question", "Answer"]))
    with pytest.raises(DatasetError, match=r"images is not a folder"):
        captions(tmp_path / "elsewhere")
    (tmp_path / "prompt-gt.csv").unlink()
    with pytest.raises(DatasetError, match=r"prompt-gt.csv can't be read"):
        captions(tmp_path)


def test_an_unquoted_separator_in_a_prompt_is_named_by_its_line(published, tmp_path):
    (tmp_path / "prompt-gt.csv").write_text(f"Filename,Prompt\na.jpg,{POLYP}\nb.jpg,{PLACE}\n")
    with pytest.raises(DatasetError, match="line 3: 3 cells, but the header has 2: put quotes"):
        captions(tmp_path)
