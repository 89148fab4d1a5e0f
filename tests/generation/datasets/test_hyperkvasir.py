import pytest

from generation.datasets import DatasetError
from generation.datasets.hyperkvasir import CLASSES, captions_of
from generation.datasets.layouts import read_dataset
from generation.datasets.prompts import read_prompts
from tests.generation.datasets.pictures import jpeg, write_table

COLONOSCOPY = "Generate an image from a colonoscopy procedure."
PLACES = [
    ("lower-gi-tract", "pathological-findings", "polyps", "Lower GI"),
    ("lower-gi-tract", "pathological-findings", "ulcerative-colitis-grade-2-3", "Lower GI"),
    ("upper-gi-tract", "anatomical-landmarks", "z-line", "Upper GI"),
]


@pytest.fixture
def published(tmp_path):
    root = tmp_path / "labeled-images"
    rows = [["Video file", "Organ", "Finding", "Classification"]]
    for number, (tract, category, name, organ) in enumerate(PLACES):
        folder = root / tract / category / name
        folder.mkdir(parents=True)
        for count in range(2):
            stem = f"{name}-{count}"
            (folder / f"{stem}.jpg").write_bytes(jpeg(10 * number + count))
            rows.append([stem, organ, name, category])
    write_table(root / "image-labels.csv", rows)
    return tmp_path


def test_captions_tell_the_procedure_and_the_class(published):
    captions = {r.name: r.captions for r in read_dataset("hyperkvasir", published)}
    assert captions["polyps-0.jpg"] == [COLONOSCOPY, "Generate an image containing a polyp."]
    assert captions["ulcerative-colitis-grade-2-3-1.jpg"] == [
        COLONOSCOPY,
        "Generate an image containing ulcerative colitis.",
        "Generate an image containing ulcerative colitis of grade 2 to 3.",
    ]
    assert captions["z-line-1.jpg"] == [
        "Generate an image from a gastroscopy procedure.",
        "Generate an image containing the z-line.",
    ]


def test_the_folder_itself_may_be_named_and_images_are_held_out(published):
    records = read_dataset("hyperkvasir", published / "labeled-images", holdout=0.5)
    assert sorted(record.split for record in records) == ["test"] * 3 + ["train"] * 3


def test_an_image_that_the_table_names_and_the_folders_lack_is_refused(published):
    next(published.rglob("polyps-1.jpg")).unlink()
    with pytest.raises(DatasetError, match=r"there is no image “polyps-1\.jpg” in the folders"):
        read_dataset("hyperkvasir", published)
    assert len(read_dataset("hyperkvasir", published, leave_out={"polyps-1.jpg"})) == 5


def test_a_class_that_hyperkvasir_does_not_have_is_refused(published):
    (published / "labeled-images" / "upper-gi-tract" / "other" / "cats").mkdir(parents=True)
    with pytest.raises(DatasetError, match="cats is no class of HyperKvasir"):
        read_dataset("hyperkvasir", published)


def test_an_empty_and_a_wrong_folder_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="has neither lower-gi-tract nor upper-gi-tract"):
        read_dataset("hyperkvasir", tmp_path)
    (tmp_path / "lower-gi-tract").mkdir()
    with pytest.raises(DatasetError, match="There are no images"):
        read_dataset("hyperkvasir", tmp_path)


def test_all_twenty_three_classes_have_captions():
    assert len(CLASSES) == 23
    for name in CLASSES:
        captions = captions_of("lower-gi-tract", name)
        assert len(captions) == len(set(captions)) >= 2


def test_the_captions_that_medvqa_gi_has_too_are_worded_alike(shared_data):
    asked = {row.prompt for row in read_prompts(shared_data / "prompts-medvqa-gi-2024/prompts.csv")}
    both = {"polyps", "cecum", "ileum", "pylorus", "z-line", "esophagitis-a", "barretts"}
    for name in both | {"ulcerative-colitis-grade-1"}:
        assert set(captions_of("upper-gi-tract", name)[:2]) <= asked
