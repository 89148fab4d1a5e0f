import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from generation.datasets import DatasetError
from generation.datasets.kvasir_captions import is_known, prompts_for
from generation.datasets.layouts import read_dataset
from generation.datasets.prompts import read_prompts
from tests.generation.datasets.pictures import jpeg, write_table

ASKED = [
    ("What type of procedure is the image taken from?", "colonoscopy"),
    (
        "Are there any abnormalities in the image? Check all that are present.",
        "polyp; oesophagitis",
    ),
    ("How many polyps are in the image?", "2"),
    ("How many instrumnets are in the image?", "0"),
    ("What is the size of the polyp?", "<5mm; 5-10mm"),
    ("What type of polyp is present?", "paris is"),
    ("Where in the image is the abnormality?", "center; center-left; upper-left"),
    ("What color is the abnormality? If more than one separate with ;", "pink; red"),
    ("Is there text?", "no"),
    ("Where in the image is the instrument?", "none"),
    ("Have all polyps been removed?", "not relevant"),
]
PROMPTS = [
    "Generate an image from a colonoscopy procedure.",
    "Generate an image containing a polyp.",
    "Generate an image containing oesophagitis.",
    "Generate an image with 2 polyps.",
    "Generate an image with no instruments.",
    "Generate an image with polyps of size < 5mm and 5-10mm.",
    "Generate a polyp of type paris is.",
    "Generate an image with an an abnormality located in the center, center-left and upper-left.",
    "Generate an image with an abnormality with the colors pink and red.",
    "Generate an image not containing text.",
]


def publish(path, *, split="raw", images=3, asked=ASKED, shards=2, **columns):
    """Kvasir-VQA as its hub repository has it: parquet, a row for each question of an image."""
    rows = [
        {
            "image": {"bytes": jpeg(number), "path": f"img{number}.jpg"},
            "source": "HyperKvasir-Polyps",
            "question": question,
            "answer": answer,
            "img_id": f"cla820gl{number}",
        }
        | columns
        for number in range(images)
        for question, answer in asked
    ]
    (path / "data").mkdir(exist_ok=True)
    size = -(-len(rows) // shards)
    for number in range(shards):
        file = path / "data" / f"{split}-{number:05d}-of-{shards:05d}.parquet"
        part = rows[number * size : (number + 1) * size]
        pq.write_table(pa.Table.from_pylist(part), file, row_group_size=7)
    return path


def test_rows_become_images_with_their_prompts_even_across_shards(tmp_path):
    records = read_dataset("kvasir-vqa", publish(tmp_path))
    assert [record.name for record in records] == ["cla820gl0", "cla820gl1", "cla820gl2"]
    assert all(record.captions == PROMPTS for record in records)
    assert [record.read() for record in records] == [jpeg(0), jpeg(1), jpeg(2)]
    assert sorted(record.split for record in records) == ["test", "train", "train"]


def test_the_validation_split_of_kvasir_vqa_test_is_kept(tmp_path):
    records = read_dataset("kvasir-vqa", publish(tmp_path, split="validation"))
    assert {record.split for record in records} == {"validation"}


def test_a_question_that_is_not_kvasir_vqa_s_is_named_once(tmp_path):
    publish(tmp_path, asked=[*ASKED, ("Describe the mucosa, please.", "It is pink.")])
    with pytest.raises(DatasetError) as caught:
        read_dataset("kvasir-vqa", tmp_path)
    [problem] = caught.value.problems
    assert "“Describe the mucosa, please.” is not a question of Kvasir-VQA" in problem


def test_an_image_whose_answers_give_no_prompt_is_named(tmp_path):
    publish(tmp_path, images=1, asked=ASKED[-2:], shards=1)
    with pytest.raises(DatasetError, match="No question about cla820gl0 gives a prompt"):
        read_dataset("kvasir-vqa", tmp_path)


def test_an_image_that_is_empty_or_cut_off_is_named(tmp_path):
    publish(tmp_path, images=1, image={"bytes": jpeg(1)[:200], "path": None})
    with pytest.raises(DatasetError, match="cla820gl0 can't be decoded"):
        read_dataset("kvasir-vqa", tmp_path)
    publish(tmp_path, images=1, image={"bytes": None, "path": None})
    with pytest.raises(DatasetError, match="cla820gl0 can't be read"):
        read_dataset("kvasir-vqa", tmp_path)


def test_a_row_without_image_id_and_a_missing_column_are_named(tmp_path):
    publish(tmp_path, images=1, img_id="", shards=1)
    with pytest.raises(DatasetError, match=r"raw-00000-of-00001\.parquet, row 1: there is no img"):
        read_dataset("kvasir-vqa", tmp_path)
    file = next(tmp_path.rglob("*.parquet"))
    pq.write_table(pq.read_table(file).drop_columns(["answer"]), file)
    with pytest.raises(DatasetError, match="has no column answer; its columns are: image, source"):
        read_dataset("kvasir-vqa", tmp_path)


def test_a_missing_shard_is_named(tmp_path):
    publish(tmp_path, shards=3)
    (tmp_path / "data" / "raw-00001-of-00003.parquet").unlink()
    with pytest.raises(DatasetError, match="raw-00001-of-00003 is missing: fetch it too"):
        read_dataset("kvasir-vqa", tmp_path)


def test_the_form_with_a_table_and_an_image_folder_is_read_too(tmp_path):
    (tmp_path / "images").mkdir()
    rows = [["source", "question", "answer", "img_id"]]
    for number in range(2):
        (tmp_path / "images" / f"cl{number}.jpg").write_bytes(jpeg(number))
        rows += [["HyperKvasir", question, answer, f"cl{number}"] for question, answer in ASKED]
    write_table(tmp_path / "metadata.csv", rows)
    records = read_dataset("kvasir-vqa", tmp_path)
    assert [(r.name, r.captions, r.read()) for r in records] == [
        ("cl0", PROMPTS, jpeg(0)),
        ("cl1", PROMPTS, jpeg(1)),
    ]
    (tmp_path / "images" / "cl1.jpg").unlink()
    with pytest.raises(DatasetError, match=r"metadata\.csv, line 13: there is no image “cl1”"):
        read_dataset("kvasir-vqa", tmp_path)


# Captions


def test_no_rule_invents_a_prompt_from_an_empty_answer():
    for question, _ in ASKED:
        assert is_known(question)
        for answer in ("", "none", "not relevant", " ; "):
            assert prompts_for(question, answer) == []


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ("Is there text?", "text"),
        ("Is there a green/black box artefact?", "a green/black box artefact"),
    ],
)
def test_yes_and_no_give_the_published_prompts(question, what):
    assert prompts_for(question, "yes") == [f"Generate an image containing {what}."]
    assert prompts_for(question, "No") == [f"Generate an image not containing {what}."]
    assert prompts_for(question, "perhaps") == []


@pytest.mark.parametrize(
    ("question", "answer", "prompt"),
    [
        ("How many polyps are in the image?", "1", "an image with 1 polyp"),
        ("How many polyps are in the image?", "0", "an image with no polyps"),
        ("What is the size of the polyp?", "11-20mm", "an image with a polyp of size 11-20mm"),
        ("What type of polyp is present?", "Is; IIa", "polyps of type is and iia"),
        (
            "What color is the abnormality?",
            "red",
            "an image with an abnormality with the color red",
        ),
        (
            "Are there any anatomical landmarks in the image?",
            "Ileum",
            "an image containing the ileum",
        ),
    ],
)
def test_one_and_several_are_worded_as_published(question, answer, prompt):
    assert prompts_for(question, answer) == [f"Generate {prompt}."]


@pytest.mark.parametrize("answer", ["Pink", "6-10", "-1"])
def test_a_count_that_is_no_number_gives_no_prompt(answer):
    assert prompts_for("How many findings are present?", answer) == []


# How each kind of published prompt came from a question. In the group: the answers.
ORIGINS = {
    r"an image from a (.+) procedure": "What type of procedure is the image taken from?",
    r"an image with (\d+|no) findings?": "How many findings are present?",
    r"an image with (\d+|no) polyps?": "How many polyps are in the image?",
    r"an image with (\d+|no) instruments?": "How many instrumnets are in the image?",
    r"an image with an an abnormality located in the (.+)": (
        "Where in the image is the abnormality?"
    ),
    r"an image with an an instrument located in the (.+)": "Where in the image is the instrument?",
    r"an image with an an anatomical landmark located in the (.+)": (
        "Where in the image is the anatomical landmark?"
    ),
    r"an image with an abnormality with the colors? (.+)": "What color is the abnormality?",
    r"(?:a polyp|polyps) of type (.+)": "What type of polyp is present?",
    r"an image with (?:a polyp|polyps) of size (.+)": "What is the size of the polyp?",
    r"an image containing the (.+)": "Are there any anatomical landmarks in the image?",
    r"an image containing (?:a )?(polyp|oesophagitis|ulcerative colitis|barretts)": (
        "Are there any abnormalities in the image?"
    ),
    r"an image containing (tube|biopsy forceps|metal clip|polyp snare|injection needle)": (
        "Are there any instruments in the image?"
    ),
}


def test_the_published_prompts_come_back_word_for_word_from_their_answers(shared_data):
    missed = []
    for row in read_prompts(shared_data / "prompts-medvqa-gi-2024" / "prompts.csv"):
        for pattern, question in ORIGINS.items():
            if found := re.fullmatch(rf"Generate {pattern}\.", row.prompt):
                given = "0" if found[1] == "no" else found[1]
                answer = re.sub(", | and ", "; ", given)
                assert prompts_for(question, answer) == [row.prompt]
                break
        else:
            missed.append(row.prompt)
    # Yes/no prompts (tested above), two things run together, and a count that is a colour.
    assert len(missed) == 12
    assert all(
        re.search(r"text|artefact|\wand\w|Pink", prompt, flags=re.IGNORECASE) for prompt in missed
    )
