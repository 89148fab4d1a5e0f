import csv

import pytest
from django.core.management import CommandError, call_command

from generation.management.commands.train import Command as Train
from generation.models import Dataset, Generator, Image, Run
from tests.builders import a_dataset, a_generator, an_image, png

TINY_TRAINING = [
    "--resolution=32",
    "--vae_max_train_steps=2",
    "--max_train_steps=2",
    "--train_batch_size=2",
    "--vae_train_batch_size=2",
    "--checkpointing_steps=1",
    "--steps=2",
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    rows = [["image", "split", "caption"]]
    for number in range(4):
        (tmp_path / "images" / f"{number}.png").write_bytes(png(number, size=32))
        rows.append([f"{number}.png", "train" if number else "test", f"polyp {number}"])
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path


def import_polyps(folder, *more):
    call_command(
        "import_dataset",
        "polyps",
        "--images",
        folder / "images",
        "--captions",
        folder / "captions.csv",
        *more,
    )


@pytest.mark.django_db
def test_a_folder_is_imported_by_one_command(folder, capsys):
    import_polyps(folder, "--name", "Polyps", "--licence", "CC BY 4.0", "--source", "a DOI")
    dataset = Dataset.objects.get(slug="polyps")
    assert (dataset.name, dataset.licence, dataset.source) == ("Polyps", "CC BY 4.0", "a DOI")
    assert "Imported “Polyps”: 1 test, 3 train images, 4 captions." in capsys.readouterr().out


@pytest.mark.django_db
def test_a_bad_folder_is_refused_with_every_problem_and_nothing_imported(folder):
    (folder / "images" / "1.png").unlink()
    (folder / "images" / "2.png").write_bytes((folder / "images" / "3.png").read_bytes())
    with pytest.raises(CommandError) as caught:
        import_polyps(folder)
    message = str(caught.value)
    assert message.startswith("Nothing was imported.")
    assert "line 3: there is no image “1.png”" in message
    assert "3.png and 2.png are the same image" in message
    assert not Dataset.objects.exists()
    assert not Image.objects.exists()


@pytest.mark.django_db
def test_prompts_are_imported_by_one_command(tmp_path, capsys):
    file = tmp_path / "prompts.csv"
    file.write_text("prompt,rephrasing\none,uno\ntwo,due\n")
    call_command("import_prompts", "numbers", "--file", file)
    assert "2 prompts, 2 rephrasings" in capsys.readouterr().out
    with pytest.raises(CommandError, match="already: choose another name"):
        call_command("import_prompts", "numbers", "--file", file)


@pytest.mark.django_db
def test_a_generator_is_added_by_one_command(checkpoint, capsys):
    call_command("add_generator", "--name", "Tiny", "--checkpoint", checkpoint)
    assert Generator.objects.get(slug="tiny").family == "msdm"
    with pytest.raises(CommandError, match="choose another name"):
        call_command("add_generator", "--name", "Tiny", "--checkpoint", checkpoint)
    with pytest.raises(CommandError, match="There is no directory"):
        call_command("add_generator", "--name", "Other", "--checkpoint", "nowhere")


@pytest.mark.django_db(transaction=True)
def test_image_sets_are_sampled_here_and_now_by_one_command(checkpoint, capsys):
    call_command("add_generator", "--name", "Tiny", "--checkpoint", checkpoint)
    dataset = a_dataset(pairs=1, images_per_pair=0)
    for prompt, text in zip(dataset.prompts.all(), ["a red square.", "red"], strict=True):
        prompt.text = text
        prompt.save()
    arguments = ["--generator=tiny", f"--prompts-dataset={dataset.slug}", "--images-per-set=2"]
    call_command("generate", *arguments)
    run = Run.objects.get()
    assert (run.status, run.done) == (Run.Status.DONE, 4)
    assert "4 images in 2 sets" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_a_run_that_fails_says_why_and_how_to_go_on(tmp_path):
    generator = a_generator(checkpoint=str(tmp_path / "gone"))
    dataset = a_dataset(pairs=1, images_per_pair=0)
    with pytest.raises(CommandError, match="There is no directory") as caught:
        call_command(
            "generate", f"--generator={generator.slug}", f"--prompts-dataset={dataset.slug}"
        )
    run = Run.objects.get()
    assert f"generate --resume {run.pk}" in str(caught.value)
    with pytest.raises(CommandError, match="There is no directory"):
        call_command("generate", f"--resume={run.pk}")
    assert Run.objects.count() == 1


@pytest.mark.django_db
def test_a_name_that_doesn_t_exist_is_answered_with_those_that_do():
    generator = a_generator()
    with pytest.raises(CommandError, match=f"there are: {generator.slug}"):
        call_command("generate", "--generator=nothing", "--prompts-dataset=nothing")
    with pytest.raises(CommandError, match="No dataset “nothing”; there are: none yet"):
        call_command("train", "msdm", "--dataset=nothing", "--name=X", "--output=x")
    with pytest.raises(CommandError, match="Name a --generator and a --prompts-dataset"):
        call_command("generate")


@pytest.mark.django_db
def test_a_model_is_trained_and_registered_by_one_command(folder, tmp_path, capsys):
    import_polyps(folder)
    output = tmp_path / "model"
    call_command(
        "train", "msdm", "--dataset=polyps", "--name=My model", f"--output={output}", *TINY_TRAINING
    )
    generator = Generator.objects.get()
    assert (generator.slug, generator.trained_on.slug) == ("my-model", "polyps")
    assert generator.checkpoint == str(output)
    assert generator.settings["width"] == 32
    assert generator.card["training"]["config"]["max_train_steps"] == 2


@pytest.mark.django_db
def test_training_on_a_split_that_doesn_t_exist_names_those_that_do(tmp_path):
    dataset = a_dataset(pairs=1)
    an_image(dataset=dataset, split="train")
    with pytest.raises(CommandError, match="no split “validation”; it has: test, train"):
        call_command(
            "train",
            "msdm",
            f"--dataset={dataset.slug}",
            "--split=validation",
            "--name=X",
            f"--output={tmp_path}",
        )


def test_every_setting_of_the_training_can_be_given():
    parser = Train().create_parser("manage.py", "train")
    arguments = ["--learning_rate=1e-4", "--seed=3", "--prediction_type=v_prediction"]
    options = parser.parse_args(["msdm", "--dataset=a", "--name=b", "--output=c", *arguments])
    assert (options.learning_rate, options.seed) == (1e-4, 3)
    assert options.prediction_type == "v_prediction"


@pytest.mark.django_db
def test_a_setting_that_can_t_be_is_refused_before_anything_is_trained(folder, tmp_path):
    import_polyps(folder)
    for setting, complaint in {
        "--resolution=33": "resolution is 33; this autoencoder needs a multiple of",
        "--prediction_type=magic": "choose one of: epsilon",
        "--steps=0": "at least 1 denoising step",
    }.items():
        with pytest.raises(CommandError, match=complaint):
            call_command("train", "msdm", "--dataset=polyps", "--name=X", "--output=x", setting)
    assert not Generator.objects.exists()
