import csv

import pytest

from generation.datasets import DatasetError
from generation.datasets.prompts import PromptRow, read_prompts
from generation.datasets.records import MAX_CAPTION


@pytest.fixture
def write(tmp_path):
    def write(rows, *, header):
        file = tmp_path / "prompts.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([header, *rows])
        return file

    return write


def test_prompts_come_with_rephrasings_and_reference_captions(write):
    file = write(
        [["one polyp", "a polyp", ""], ["two polyps", "", "several polyps"]],
        header=["prompt", "rephrasing", "reference_caption"],
    )
    assert read_prompts(file) == [
        PromptRow("one polyp", "a polyp"),
        PromptRow("two polyps", "", "several polyps"),
    ]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([["", "x"]], "line 2: the prompt is empty"),
        ([["one", "x"], ["one", "y"]], "line 3: “one” stands in line 2 already"),
        ([["one", "one"]], "line 2: “one” stands in line 2 already"),
        ([["one", "two"], ["two", ""]], "line 3: “two” stands in line 2 already"),
        ([["x" * (MAX_CAPTION + 1), ""]], f"{MAX_CAPTION} are the most"),
        ([], "has no prompts"),
    ],
)
def test_bad_prompts_are_named_by_their_line(write, rows, complaint):
    file = write(rows, header=["prompt", "rephrasing"])
    with pytest.raises(DatasetError, match=complaint):
        read_prompts(file)


def test_the_prompts_of_medvqa_gi_can_be_read(shared_data):
    rows = read_prompts(shared_data / "prompts-medvqa-gi-2024" / "prompts.csv")
    assert len(rows) == 483
    assert len({row.prompt for row in rows}) == 483
