import io
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict, Features, Image, List, Value
from PIL import Image as Pillow

from generation.datasets import DatasetError
from generation.datasets.layouts import read_dataset
from tests.generation.datasets.pictures import encode, jpeg, picture


def rows(numbers, caption=lambda n: f"caption {n}", column="caption"):
    return [{"image": {"bytes": jpeg(n), "path": f"{n}.jpg"}, column: caption(n)} for n in numbers]


def saved(numbers, **options):
    return Dataset.from_list(
        rows(numbers, **options), features=Features({"image": Image(), "caption": Value("string")})
    )


def names(records, split):
    return [record.name for record in records if record.split == split]


def test_a_saved_data_set_with_splits_keeps_them(tmp_path):
    DatasetDict(train=saved(range(3)), validation=saved([7]), test=saved([8, 9])).save_to_disk(
        tmp_path / "d"
    )
    records = read_dataset("huggingface", tmp_path / "d")
    assert names(records, "train") == ["0.jpg", "1.jpg", "2.jpg"]
    assert names(records, "validation") == ["7.jpg"]
    assert names(records, "test") == ["8.jpg", "9.jpg"]
    assert [record.read() for record in records][4] == jpeg(8)
    assert records[4].captions == ["caption 8"]


def test_a_saved_data_set_without_splits_in_shards_shuffled_is_split_by_image(tmp_path):
    saved(range(10)).shuffle(seed=1).save_to_disk(tmp_path / "d", num_shards=3)
    records = read_dataset("huggingface", tmp_path / "d", holdout=0.2)
    assert len(records) == 10
    assert len(names(records, "test")) == 2
    for record in records:
        number = int(record.name.removesuffix(".jpg"))
        assert (record.captions, record.read()) == ([f"caption {number}"], jpeg(number))


def test_images_saved_as_pillow_objects_are_read(tmp_path):
    made = Dataset.from_dict(
        {"picture": [picture(n) for n in range(3)], "text": ["a", "b", "c"]},
        features=Features({"picture": Image(), "text": Value("string")}),
    )
    made.save_to_disk(tmp_path / "d")
    records = read_dataset(
        "huggingface", tmp_path / "d", image_column="picture", caption_column="text"
    )
    assert [record.captions for record in records] == [["a"], ["b"], ["c"]]
    pixels = np.asarray(Pillow.open(io.BytesIO(records[1].read())))
    assert np.array_equal(pixels, np.asarray(picture(1)))


def test_rows_of_one_image_are_one_image_with_several_captions(tmp_path):
    pairs = rows([0, 1, 0, 2, 1], caption=lambda n: n)
    for number, row in enumerate(pairs):
        row["caption"] = f"caption {number}"
        row["image"]["path"] = None
    pq.write_table(pa.Table.from_pylist(pairs), tmp_path / "all.parquet")
    records = read_dataset("huggingface", tmp_path)
    assert [record.captions for record in records] == [
        ["caption 0", "caption 2"],
        ["caption 1", "caption 4"],
        ["caption 3"],
    ]


def test_lists_of_captions_and_bare_bytes_are_read(tmp_path):
    table = pa.table({"img": [jpeg(1), jpeg(2)], "captions": [["a", "b"], ["c"]]})
    pq.write_table(table, tmp_path / "x.parquet")
    records = read_dataset("huggingface", tmp_path, image_column="img", caption_column="captions")
    assert [record.captions for record in records] == [["a", "b"], ["c"]]
    made = Dataset.from_list(
        rows([1, 2], caption=lambda n: [f"{n}a", f"{n}b"]),
        features=Features({"image": Image(), "caption": List(Value("string"))}),
    )
    made.save_to_disk(tmp_path / "d")
    assert read_dataset("huggingface", tmp_path / "d")[0].captions == ["1a", "1b"]


@pytest.mark.parametrize(
    "file", ["data/{}-00000-of-00001.parquet", "{}/0000.parquet", "default/{}/part.parquet"]
)
def test_the_split_of_a_parquet_file_is_in_its_path(tmp_path, file):
    for split, numbers in {"train": [0, 1], "val": [2], "test": [3]}.items():
        target = tmp_path / file.format(split)
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows(numbers)), target)
    records = read_dataset("huggingface", tmp_path)
    assert {record.name: record.split for record in records} == {
        "0.jpg": "train",
        "1.jpg": "train",
        "2.jpg": "validation",
        "3.jpg": "test",
    }


def test_a_split_that_is_only_called_train_is_none(tmp_path):
    DatasetDict(train=saved(range(10))).save_to_disk(tmp_path / "d")
    assert len(names(read_dataset("huggingface", tmp_path / "d"), "test")) == 1


def test_an_image_in_two_splits_is_refused(tmp_path):
    DatasetDict(train=saved([0, 1]), test=saved([1])).save_to_disk(tmp_path / "d")
    with pytest.raises(DatasetError, match=r"\(test\) and 1\.jpg \(train\) are the same image"):
        read_dataset("huggingface", tmp_path / "d")


def test_splits_that_only_some_images_have_are_refused(tmp_path):
    for name, numbers in {"train": [0], "other": [1]}.items():
        pq.write_table(pa.Table.from_pylist(rows(numbers)), tmp_path / f"{name}.parquet")
    with pytest.raises(DatasetError, match=r"1 of 2 images are in no split, 1\.jpg for one"):
        read_dataset("huggingface", tmp_path)


@pytest.mark.parametrize(
    ("caption", "complaint"),
    [
        ("", "the caption of 0.jpg is empty"),
        (None, "the caption of 0.jpg is empty"),
        (7, "the caption is int, not text"),
        ([], "not text"),
    ],
)
def test_a_caption_that_is_none_is_named_by_its_row(tmp_path, caption, complaint):
    table = pa.table({"image": [{"bytes": jpeg(0), "path": "0.jpg"}], "caption": [caption]})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match=rf"x\.parquet, row 1: .*{complaint}"):
        read_dataset("huggingface", tmp_path)


def test_missing_columns_shards_and_folders_are_named(tmp_path):
    with pytest.raises(DatasetError, match="holds neither a data set of datasets"):
        read_dataset("huggingface", tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        read_dataset("huggingface", tmp_path / "nowhere")
    saved(range(4)).save_to_disk(tmp_path / "d", num_shards=2)
    with pytest.raises(DatasetError, match="has no column text; its columns are: image, caption"):
        read_dataset("huggingface", tmp_path / "d", caption_column="text")
    (tmp_path / "d" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(DatasetError, match=r"data-00001-of-00002\.arrow is missing"):
        read_dataset("huggingface", tmp_path / "d")


def test_a_parquet_file_that_is_cut_off_is_named(tmp_path):
    pq.write_table(pa.Table.from_pylist(rows(range(3))), tmp_path / "x.parquet")
    whole = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"x\.parquet can't be read"):
        read_dataset("huggingface", tmp_path)


def test_an_image_path_that_leads_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(jpeg(1))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "beside.jpg").write_bytes(jpeg(2))
    for path, fine in [("../secret.jpg", False), ("beside.jpg", True)]:
        table = pa.Table.from_pylist([{"image": {"bytes": None, "path": path}, "caption": "x"}] * 2)
        pq.write_table(table.slice(0, 1), tmp_path / "d" / "test.parquet")
        if fine:
            assert read_dataset("huggingface", tmp_path / "d")[0].read() == jpeg(2)
        else:
            with pytest.raises(DatasetError, match=r"“\.\./secret\.jpg” is not beside"):
                read_dataset("huggingface", tmp_path / "d")


def test_a_large_parquet_file_is_read_a_row_group_at_a_time(tmp_path):
    """60 images of 750 kB, 45 MB in all, in row groups of 4: never more than a few in memory."""
    noise = np.random.default_rng(0)
    schema = pa.schema({"image": pa.binary(), "caption": pa.string()})
    with pq.ParquetWriter(tmp_path / "test.parquet", schema, compression="none") as writer:
        for group in range(15):
            images = [
                encode(Pillow.fromarray(noise.integers(0, 256, (500, 500, 3), np.uint8)), "BMP")
                for _ in range(4)
            ]
            captions = [f"{group} {n}" for n in range(4)]
            writer.write_table(pa.table({"image": images, "caption": captions}, schema))
    assert (tmp_path / "test.parquet").stat().st_size > 40e6
    before = pa.total_allocated_bytes()
    arrow = []
    tracemalloc.start()
    records = read_dataset(
        "huggingface",
        tmp_path,
        progress=lambda done, total: arrow.append(pa.total_allocated_bytes() - before),
    )
    for record in records:
        assert len(record.read()) > 700_000
        arrow.append(pa.total_allocated_bytes() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(records) == 60
    assert max(arrow) < 10e6
    assert peak < 20e6
