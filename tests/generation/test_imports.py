import csv
import json

import pytest
from django.conf import settings
from django.db import DatabaseError

from generation.datasets.layouts import read_dataset
from generation.datasets.prompts import PromptRow, read_prompts
from generation.engine.loading import CheckpointError
from generation.imports import ImportRefused, add_generator, import_dataset, import_prompts
from generation.models import Dataset, Generator, Image, Prompt
from tests.builders import png

pytestmark = pytest.mark.django_db
EXAMPLE = settings.BASE_DIR / "generation" / "datasets" / "examples" / "prompt-to-polyp.csv"


@pytest.fixture
def records(tmp_path):
    """Three images, two of which share a caption."""
    captions = tmp_path / "captions.csv"
    captions.write_text(
        "image,split,caption\na.png,train,one polyp\na.png,train,small\n"
        "b.png,test,one polyp\nsub/c.png,test,none\n"
    )
    (tmp_path / "sub").mkdir()
    for number, name in enumerate(["a.png", "b.png", "sub/c.png"]):
        (tmp_path / name).write_bytes(png(number))
    return read_dataset("folder", images=tmp_path, captions=captions)


def stored_files():
    return [path for path in (settings.MEDIA_ROOT / "images").rglob("*") if path.is_file()]


def nothing_is_there():
    return not (Dataset.objects.exists() or Prompt.objects.exists() or Image.objects.exists())


def test_images_captions_and_splits_come_in(records):
    dataset = import_dataset(slug="polyps", name="Polyps", licence="CC BY 4.0", records=records)
    assert dataset.splits() == {"test": 2, "train": 1}
    assert {p.text: p.images.count() for p in dataset.prompts.all()} == {
        "one polyp": 2,
        "small": 1,
        "none": 1,
    }
    image = dataset.images.get(name="sub/c.png")
    with image.file.open() as file:
        assert file.read() == png(2)
    assert image.file.name == f"images/{image.sha256[:2]}/{image.sha256}.png"


def test_two_data_sets_may_share_an_image_and_its_file(records):
    import_dataset(slug="one", name="One", records=records)
    import_dataset(slug="two", name="Two", records=records)
    assert Image.objects.count() == 6
    assert len(stored_files()) == 3


@pytest.mark.parametrize(("slug", "name"), [("polyps", "Others"), ("others", "Polyps")])
def test_a_name_that_is_taken_is_refused(records, slug, name):
    import_dataset(slug="polyps", name="Polyps", records=records)
    with pytest.raises(ImportRefused, match="already: choose another name"):
        import_dataset(slug=slug, name=name, records=records)
    assert Image.objects.count() == 3


def test_a_short_name_must_fit_into_an_address(records):
    with pytest.raises(ImportRefused, match="use small letters"):
        import_dataset(slug="My polyps", name="Polyps", records=records)


def test_a_file_that_vanishes_midway_leaves_nothing_behind(records, tmp_path):
    (tmp_path / records[2].name).unlink()
    with pytest.raises(FileNotFoundError):
        import_dataset(slug="polyps", name="Polyps", records=records)
    assert nothing_is_there()
    assert stored_files() == []


def test_a_file_that_changes_after_the_check_leaves_nothing_behind(records, tmp_path):
    (tmp_path / records[2].name).write_bytes(png(77))
    with pytest.raises(ImportRefused, match=r"c\.png has changed"):
        import_dataset(slug="polyps", name="Polyps", records=records)
    assert nothing_is_there()
    assert stored_files() == []


def test_rows_that_the_database_refuses_take_only_their_own_files_with_them(records):
    kept = import_dataset(slug="kept", name="Kept", records=records[:1])
    records[1].split = "no such split, and far too long for the column"
    records[1].name = records[2].name
    with pytest.raises(DatabaseError):
        import_dataset(slug="polyps", name="Polyps", records=records)
    assert list(Dataset.objects.all()) == [kept]
    assert Prompt.objects.exclude(dataset=kept).count() == 0
    [file] = stored_files()
    assert file.stem == kept.images.get().sha256


def test_prompts_come_in_pairs_and_in_order():
    rows = [PromptRow("one", "uno"), PromptRow("two"), PromptRow("three", "tre", "a caption")]
    dataset = import_prompts(slug="numbers", name="Numbers", rows=rows)
    assert [p.text for p in dataset.prompts.all()] == ["one", "uno", "two", "three", "tre"]
    assert dataset.prompts.get(text="uno").original.text == "one"
    assert dataset.prompts.get(text="tre").original.reference_caption == "a caption"
    with pytest.raises(ImportRefused):
        import_prompts(slug="numbers", name="Other", rows=rows)


def test_the_shipped_example_has_twenty_prompts_and_twenty_rephrasings():
    rows = read_prompts(EXAMPLE)
    assert len(rows) == 20
    assert all(row.rephrasing for row in rows)


def test_the_example_speaks_the_words_of_medvqa_gi_and_finds_real_references(shared_data):
    rows = read_prompts(EXAMPLE)
    asked = {
        row.prompt for row in read_prompts(shared_data / "prompts-medvqa-gi-2024" / "prompts.csv")
    }
    with (shared_data / "polyps-kvasir-seg" / "captions.csv").open(encoding="utf-8") as file:
        captioned = [row["caption"] for row in csv.DictReader(file) if row["split"] == "test"]
    for row in rows:
        assert row.prompt in asked
        assert captioned.count(row.reference_caption or row.prompt) >= 4


def test_real_images_come_in_whole(shared_data):
    folder = shared_data / "polyps-kvasir-seg"
    records = read_dataset("folder", folder)
    dataset = import_dataset(slug="kvasir", name="Kvasir-SEG", records=records)
    assert sum(dataset.splits().values()) == 700
    assert len(stored_files()) == 700


# Generators


def test_a_generator_takes_card_and_digest_from_its_checkpoint(checkpoint):
    generator = add_generator(name="First model", checkpoint=str(checkpoint))
    assert (generator.slug, generator.family) == ("first-model", "msdm")
    assert generator.settings["width"] == 32
    assert generator.card["training"]
    assert len(generator.digest) == 64


def test_a_generator_s_name_is_given_once(checkpoint):
    add_generator(name="First model", checkpoint=str(checkpoint))
    with pytest.raises(ImportRefused, match="already"):
        add_generator(name="First  Model!", checkpoint=str(checkpoint))
    with pytest.raises(ImportRefused, match="letters or digits"):
        add_generator(name="…", checkpoint=str(checkpoint))


def test_a_checkpoint_of_an_unknown_family_or_without_card_is_refused(checkpoint, tmp_path):
    card = json.loads((checkpoint / "blindread.json").read_text())
    (tmp_path / "blindread.json").write_text(json.dumps({**card, "family": "gan"}))
    with pytest.raises(ImportRefused, match=r"“gan”; there are: .*msdm"):
        add_generator(name="Other", checkpoint=str(tmp_path))
    (tmp_path / "blindread.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no blindread\.json"):
        add_generator(name="Other", checkpoint=str(tmp_path))
    assert not Generator.objects.exists()
