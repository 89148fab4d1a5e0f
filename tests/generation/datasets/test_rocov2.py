import pytest

from generation.datasets import DatasetError
from generation.datasets.layouts import read_dataset
from tests.generation.datasets.pictures import jpeg, write_table


def publish(path, *, folder="{}_images", splits=("train", "valid", "test")):
    """Two images a split, as ROCOv2 has them."""
    for number, split in enumerate(splits):
        images = path / folder.format(split)
        images.mkdir()
        rows = [["ID", "Caption"]]
        for count in range(2):
            name = f"ROCOv2_2023_{split}_{count:06d}"
            (images / f"{name}.jpg").write_bytes(jpeg(10 * number + count))
            rows.append([name, f"Chest radiograph {count}, {split}."])
        write_table(path / f"{split}_captions.csv", rows)
    return path


@pytest.mark.parametrize("folder", ["{}_images", "{}"])
def test_its_own_splits_are_kept(tmp_path, folder):
    records = read_dataset("rocov2", publish(tmp_path, folder=folder))
    assert [(r.name, r.split, r.captions) for r in records][2] == (
        "ROCOv2_2023_valid_000000.jpg",
        "validation",
        ["Chest radiograph 0, valid."],
    )
    assert [r.split for r in records] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2


def test_a_part_of_the_splits_may_be_there(tmp_path):
    assert len(read_dataset("rocov2", publish(tmp_path, splits=("train", "test")))) == 4


def test_missing_images_and_captions_are_named(tmp_path):
    publish(tmp_path)
    (tmp_path / "test_images" / "ROCOv2_2023_test_000001.jpg").unlink()
    (tmp_path / "train_images" / "extra.jpg").write_bytes(jpeg(99))
    with pytest.raises(DatasetError) as caught:
        read_dataset("rocov2", tmp_path)
    first, second = sorted(caught.value.problems)
    assert first.startswith("extra.jpg has no caption in train_captions.csv")
    assert "test_captions.csv, line 3: there is no image “ROCOv2_2023_test_000001”" in second


def test_a_picture_in_two_splits_is_refused(tmp_path):
    publish(tmp_path)
    (tmp_path / "test_images" / "ROCOv2_2023_test_000001.jpg").write_bytes(jpeg(0, quality=50))
    with pytest.raises(DatasetError, match=r"train_000000\.jpg \(train\) and .*show the same"):
        read_dataset("rocov2", tmp_path)


def test_a_table_without_its_images_and_a_folder_without_tables_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"has none of train_captions\.csv, valid_captions"):
        read_dataset("rocov2", tmp_path)
    write_table(tmp_path / "train_captions.csv", [["ID", "Caption"], ["a", "b"]])
    with pytest.raises(DatasetError, match="train is not a folder"):
        read_dataset("rocov2", tmp_path)
    (tmp_path / "train").mkdir()
    write_table(tmp_path / "train_captions.csv", [["ID", "CUIs"], ["a", "b"]])
    with pytest.raises(DatasetError, match="its columns are: ID, CUIs"):
        read_dataset("rocov2", tmp_path)


def test_captions_with_commas_line_breaks_and_odd_separators_come_whole(tmp_path):
    publish(tmp_path, splits=("train",))
    odd = "CT, axial: lesion\u2028(arrow),\n2 cm\x0c in size"
    rows = [["ID", "Caption"], ["ROCOv2_2023_train_000000", odd], ["ROCOv2_2023_train_000001", "x"]]
    write_table(tmp_path / "train_captions.csv", rows)
    assert read_dataset("rocov2", tmp_path)[0].captions == [odd]
