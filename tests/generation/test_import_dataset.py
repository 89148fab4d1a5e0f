"""The command import_dataset, layout by layout; the readers have tests of their own."""

import csv

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from generation.models import Dataset, Image, Prompt
from tests.generation.datasets import test_hyperkvasir, test_kvasir_vqa, test_rocov2
from tests.generation.datasets.pictures import jpeg, write_table

pytestmark = pytest.mark.django_db
published_hyperkvasir = test_hyperkvasir.published


def run(*arguments):
    call_command("import_dataset", "data", *map(str, arguments))
    return Dataset.objects.get(slug="data")


@pytest.fixture
def folder(tmp_path):
    """Ten images with captions and no splits."""
    (tmp_path / "images").mkdir()
    for number in range(10):
        (tmp_path / "images" / f"{number}.jpg").write_bytes(jpeg(number))
    rows = [[f"{number}.jpg", f"caption {number % 3}"] for number in range(10)]
    write_table(tmp_path / "captions.csv", [["image", "caption"], *rows])
    return tmp_path


def nothing_is_there():
    stored = [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()]
    return not (Dataset.objects.exists() or Image.objects.exists() or stored)


def test_parquet_comes_in_with_its_prompts_and_a_held_out_tenth(tmp_path):
    test_kvasir_vqa.publish(tmp_path, images=10)
    dataset = run(tmp_path, "--layout", "kvasir-vqa", "--licence", "CC BY-NC 4.0")
    assert dataset.splits() == {"test": 1, "train": 9}
    assert [prompt.text for prompt in dataset.prompts.all()] == test_kvasir_vqa.PROMPTS
    image = dataset.images.get(name="cla820gl4")
    with image.file.open() as file:
        assert file.read() == jpeg(4)
    assert image.file.name.endswith(".jpg")


def test_hyperkvasir_comes_in(published_hyperkvasir):
    dataset = run(published_hyperkvasir, "--layout", "hyperkvasir", "--holdout", "0.5")
    assert dataset.splits() == {"test": 3, "train": 3}


def test_rocov2_comes_in_with_its_own_splits(tmp_path):
    dataset = run(test_rocov2.publish(tmp_path), "--layout", "rocov2")
    assert dataset.splits() == {"test": 2, "train": 2, "validation": 2}


def test_a_seed_gives_the_same_split_again_and_another_one_another(folder):
    held = []
    for slug, seed in [("one", 1), ("two", 1), ("three", 2), ("four", 3), ("five", 4)]:
        call_command(
            "import_dataset", slug, str(folder), "--holdout", "0.3", "--split_seed", str(seed)
        )
        images = Dataset.objects.get(slug=slug).images.filter(split="test")
        held.append(sorted(images.values_list("name", flat=True)))
    assert held[0] == held[1]
    assert len({tuple(names) for names in held}) > 1


def test_a_folder_without_splits_is_not_split_unasked(folder):
    with pytest.raises(CommandError, match=r"no column split.* hold images out with"):
        run(folder)
    assert run(folder, "--holdout", "0.1").splits() == {"test": 1, "train": 9}


def test_near_duplicates_across_splits_are_refused_then_left_out(folder, tmp_path):
    (folder / "images" / "copy.jpg").write_bytes(jpeg(3, quality=50))
    rows = [[f"{number}.jpg", "train", "x"] for number in range(10)] + [["copy.jpg", "test", "x"]]
    write_table(folder / "captions.csv", [["image", "split", "caption"], *rows])
    with pytest.raises(CommandError, match=r"3\.jpg \(train\) and copy\.jpg \(test\) show"):
        run(folder)
    assert nothing_is_there()
    (tmp_path / "unwanted.txt").write_text("copy.jpg\n\n")
    assert run(folder, "--leave_out", tmp_path / "unwanted.txt").splits() == {"train": 10}


def test_how_near_is_too_near_can_be_set(folder):
    rows = [[f"{n}.jpg", "test" if n else "train", "x"] for n in range(10)]
    write_table(folder / "captions.csv", [["image", "split", "caption"], *rows])
    with pytest.raises(CommandError, match="show the same picture"):
        run(folder, "--duplicate_distance", "200")
    assert run(folder).splits() == {"test": 9, "train": 1}


def test_every_problem_is_written_into_a_file_when_asked(folder, tmp_path):
    with (folder / "captions.csv").open("a", newline="") as file:
        csv.writer(file).writerows([f"missing-{n}.jpg", "x"] for n in range(30))
    with pytest.raises(CommandError, match="and 10 more"):
        run(folder, "--holdout", "0.1", "--problems", tmp_path / "problems.txt")
    lines = (tmp_path / "problems.txt").read_text().splitlines()
    assert len(lines) == 30
    assert "there is no image “missing-29.jpg”" in lines[-1]
    assert nothing_is_there()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--layout", "rocov2"], "Name the data set’s folder after “data”"),
        ([".", "--layout", "medvqa-gi", "--images", "x"], "--images is not for --layout medvqa-gi"),
        ([], "Name a folder with images/ and captions.csv"),
        (["--layout", "coco"], "invalid choice: 'coco'"),
        ([".", "--holdout", "1"], "1 is not a share from 0 to below 1"),
        ([".", "--holdout", "a tenth"], "a tenth is not a share"),
        ([".", "--duplicate_distance", "-1"], "-1 is not a number of bits from 0 to 256"),
        ([".", "--leave_out", "no such file"], "no such file can't be read"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(arguments, complaint):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert complaint in str(caught.value)


def test_a_name_that_is_taken_is_refused_before_any_image_is_read(folder):
    run(folder, "--holdout", "0.1")
    (folder / "images" / "1.jpg").write_text("no image")
    with pytest.raises(CommandError, match="already: choose another name"):
        run(folder, "--holdout", "0.1")
    assert Prompt.objects.count() == 3
