import csv
from contextlib import contextmanager
from dataclasses import fields

import pytest
from django.core.management import CommandError, call_command

from generation.management.commands.train import Command as Train
from generation.management.commands.train import alone
from generation.models import Dataset, Generator, Image, Run
from generation.training.bases import make_base
from generation.training.config import CONFIGS
from generation.training_settings import as_lines
from tests.builders import a_dataset, a_generator, an_image, png
from tests.generation.tiny_msdm import TINY

TINY_LORA = [
    "--preset=small",
    "--resolution=32",
    "--rank=2",
    "--train_batch_size=2",
    "--max_train_steps=2",
    "--checkpointing_steps=1",
    "--cache_views=1",
]
# Family → flags beside the base.
TRAININGS = {
    "kandinsky": [*TINY_LORA, "--prior_max_train_steps=1", "--prior_steps=2", "--steps=2"],
    "flux": [*TINY_LORA, "--token_length=16", "--steps=2"],
    "stable_diffusion": [flag for flag in TINY_LORA if "rank" not in flag],
}


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


def train(family, folder, *more, dataset="polyps", name="My model"):
    output = folder / "model"
    call_command(
        "train", family, f"--dataset={dataset}", f"--name={name}", f"--output={output}", *more
    )


@pytest.fixture
def tiny(folder):
    """Flags that make an MSDM as small as the tests', from a file of settings."""
    (folder / "tiny.toml").write_text(as_lines(TINY.to_json()))
    return f"--config={folder / 'tiny.toml'}"


@pytest.mark.django_db
def test_a_model_is_trained_and_registered_by_one_command(folder, tiny, capsys):
    import_polyps(folder)
    train("msdm", folder, tiny, "--max_train_steps", "2", "--use_ema", "false")
    generator = Generator.objects.get()
    assert (generator.slug, generator.trained_on.slug) == ("my-model", "polyps")
    assert generator.checkpoint == str(folder / "model")
    assert generator.settings["width"] == 32
    config = generator.card["training"]["config"]
    assert (config["max_train_steps"], config["use_ema"]) == (2, False), "flags go before the file"
    assert config["unet_block_out_channels"] == [32, 32], "the file before the preset"
    assert "added the generator “My model”: my-model" in capsys.readouterr().out
    train("msdm", folder, tiny, "--max_train_steps=2", "--use_ema=false")
    assert Generator.objects.get() == generator, "the same command again changes nothing"


@pytest.mark.django_db
@pytest.mark.parametrize("family", TRAININGS)
def test_every_family_is_trained_by_the_command_from_a_base(family, folder, tmp_path):
    import_polyps(folder)
    captions = [f"polyp {number}" for number in range(4)]
    base = make_base(family, tmp_path / "base", captions=captions, resolution=32)
    flags = {"pretrained_model_name_or_path": base}
    if family == "kandinsky":
        flags["pretrained_model_name_or_path"] = base / "decoder"
        flags["pretrained_prior_model_name_or_path"] = base / "prior"
    train(family, folder, *TRAININGS[family], *(f"--{name}={path}" for name, path in flags.items()))
    generator = Generator.objects.get()
    assert generator.family == family
    assert (generator.settings["width"], generator.card["token_length"] > 0) == (32, True)
    assert bool(generator.card["lora"]) == (family != "stable_diffusion")


@pytest.mark.django_db
def test_a_training_stopped_by_the_keyboard_goes_on_with_the_same_command(
    folder, tiny, monkeypatch
):
    import_polyps(folder)
    steps = []

    @contextmanager
    def bar(title, *, on):
        def show(done, total, title):
            steps.append((title.partition(" ")[0], done))
            if steps == [*(("vae", n) for n in range(1, 5)), ("unet", 1), ("unet", 2), ("unet", 3)]:
                raise KeyboardInterrupt

        yield show

    monkeypatch.setattr("generation.management.commands.train.progress_bar", bar)
    with pytest.raises(CommandError, match="The same command goes on where it was"):
        train("msdm", folder, tiny)
    assert not Generator.objects.exists()
    steps.clear()
    train("msdm", folder, tiny)
    assert steps == [("unet", 3), ("unet", 4), ("unet", 5)], "checkpoints were of every second step"
    assert Generator.objects.count() == 1


@pytest.mark.django_db
def test_an_unfinished_training_is_dropped_when_asked_but_no_generator_s_checkpoint(folder, tiny):
    import_polyps(folder)
    train("msdm", folder, tiny)
    with pytest.raises(CommandError, match=r"configuration differs .*seed 5 → 6"):
        train("msdm", folder, tiny, "--seed=6")
    with pytest.raises(CommandError, match="There is a generator “My model” already"):
        train("msdm", folder, tiny, "--restart")
    with pytest.raises(CommandError, match="holds the checkpoint of the generator “My model”"):
        train("msdm", folder, tiny, "--restart", name="Another")
    (folder / "model.training").mkdir()
    (folder / "model.training" / "recipe.json").write_text('{"data": "other", "config": {}}')
    Generator.objects.all().delete()
    train("msdm", folder, tiny, "--restart")
    assert not (folder / "model.training").exists()


@pytest.mark.django_db
def test_two_trainings_never_write_to_one_folder(folder, tiny):
    import_polyps(folder)
    with alone(folder / "model"), pytest.raises(CommandError, match="Another `train` writes to"):
        train("msdm", folder, tiny)
    assert not Generator.objects.exists()
    train("msdm", folder, tiny)


@pytest.mark.django_db
def test_training_on_a_split_that_doesn_t_exist_names_those_that_do(tmp_path, tiny):
    dataset = a_dataset(pairs=1)
    an_image(dataset=dataset, split="train")
    with pytest.raises(CommandError, match="no split “validation”; it has: test, train"):
        train("msdm", tmp_path, tiny, "--split=validation", dataset=dataset.slug)


@pytest.mark.parametrize("family", CONFIGS)
def test_every_setting_of_a_family_has_a_flag_that_says_its_default(family, capsys):
    with pytest.raises(SystemExit) as left:
        Train().create_parser("manage.py", "train").parse_args([family, "--help"])
    assert left.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for field in fields(CONFIGS[family]):
        assert f"--{field.name} " in shown
    if family == "flux":
        assert "--rank VALUE paper: 64; small: 16" in shown
        assert "--vae" not in shown


@pytest.mark.django_db
def test_settings_that_can_t_be_are_refused_before_anything_is_trained(folder):
    import_polyps(folder)
    (folder / "wrong.json").write_text('{"lerning_rate": 1, "seed": "x"}')
    (folder / "list.json").write_text("[]")
    (folder / "broken.toml").write_text("seed = 1\nmixed_precision = bf16")
    (folder / "settings.yaml").write_text("seed: 1")
    for flags, complaint in {
        ("--resolution=33", "--steps=0"): r"resolution is 33; it must be a multiple of 8\.\nsteps",
        ("--prediction_type=magic",): "choose one of: epsilon",
        (f"--config={folder / 'wrong.json'}",): r"no setting 'lerning_rate'; its(.|\n)*seed is 'x'",
        (f"--config={folder / 'list.json'}",): "list.json: an object is needed",
        (f"--config={folder / 'broken.toml'}",): r"broken.toml: .*line 2.*in quotes",
        (f"--config={folder / 'settings.yaml'}",): "ends in .toml or .json",
        (f"--config={folder / 'gone.toml'}",): "gone.toml: .*No such file",
        ("--learnin=1",): "unrecognized arguments: --learnin=1",
        ("--preset=huge",): r"invalid choice: .huge. .choose from .paper., .small.",
        ("--restart", "--resume_from_checkpoint=latest"): "not allowed with",
    }.items():
        with pytest.raises(CommandError, match=complaint):
            train("msdm", folder, *flags)
    with pytest.raises(CommandError, match=r"could not be fetched|no hub repository"):
        train("flux", folder, "--pretrained_model_name_or_path=./nowhere")
    assert not Generator.objects.exists()
    assert not (folder / "model").exists()
