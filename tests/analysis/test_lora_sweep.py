"""The sweep of LoRA ranks, on a FLUX so small that a cell takes seconds."""

import json
import signal
import statistics
from collections import defaultdict

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image as Pillow
from scipy.stats import t

from analysis.metrics.agreement import agreement
from analysis.metrics.diversity import diversity
from analysis.metrics.embedders import load_embedder
from analysis.metrics.fidelity import fidelity
from analysis.metrics.frechet import frechet_distance
from analysis.models import RankSweep
from analysis.sweep_cells import Cell
from analysis.sweep_tables import rank_rows, table_text
from analysis.sweeps import Sweep
from generation.engine.loading import checkpoint_digest, read_card
from generation.engine.registry import load_sampler
from generation.engine.seeding import image_seed
from generation.models import Prompt
from tests.analysis.a_sweep import CELLS, FLAGS, act, pixels, results, rows, squares, sweep
from tests.builders import an_image
from tests.generation.tiny_bases import tiny_base


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a sweep that nothing disturbed, in a database of its own."""
    folder = tmp_path_factory.mktemp("sweep")
    done = act(folder, "set up")
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def test_each_rank_and_seed_has_its_checkpoint_images_and_result_beside_the_base(whole):
    found = results(whole / "whole")
    assert set(found) == CELLS
    assert len(pixels(whole / "whole")) == 6 * 4 * 3, "three captions and a rephrasing, 3 of each"
    for name, result in found.items():
        card = whole / "whole" / name / "checkpoint" / "blindread.json"
        assert card.exists() == (result["rank"] is not None)
        assert result["measures"]["n_real"] == 6
        assert result["measures"]["n_generated"] == 12
        assert result["measures"]["fidelity_prompts"] == 3
        assert result["measures"]["agreement_prompts"] == 1
        assert result["embedder"] == "efficientnet-lite0:0e6eac3920806d21:squash"
    two, four = found["rank-2-seed-1"], found["rank-4-seed-1"]
    assert (two["alpha"], four["alpha"], two["steps"]) == (2, 4, {"transformer": 3})
    assert four["lora_parameters"] == 2 * two["lora_parameters"] > 0
    assert found["base-seed-1"]["lora_parameters"] == 0
    digests = {result["checkpoint_digest"] for result in found.values()}
    assert len(digests) == 1 + 4, "the base, and a LoRA for each rank and seed"
    checkpoint = whole / "whole" / "rank-4-seed-2" / "checkpoint"
    last = found["rank-4-seed-2"]
    assert last["checkpoint_digest"] == checkpoint_digest(checkpoint)
    card = read_card(checkpoint)
    assert (card.training["seed"], card.lora["rank"]) == (2, 4)
    assert last["loss"] == card.training["loss"]


def test_images_are_those_that_the_checkpoint_gives_for_these_prompts_and_seeds(whole):
    cell = whole / "whole" / "rank-2-seed-2"
    prompts = json.loads((cell / "images" / "sampled.json").read_text())["prompts"]
    assert prompts == ["a red square.", "red", "a green square.", "a blue square."]
    sampler = load_sampler("flux", cell / "checkpoint")
    drawn = sampler.sample([prompts[3]], [image_seed(seed=2, prompt=prompts[3], index=1)])[0]
    kept = np.asarray(Pillow.open(cell / "images" / "00004" / "001.png")).astype(int)
    assert np.abs(np.asarray(drawn).astype(int) - kept).max() <= 1, "alone against in a batch"


def test_a_cell_s_numbers_are_those_of_its_files(whole):
    embedder = load_embedder("efficientnet-lite0")

    def features(paths):
        return embedder.embed([Pillow.open(path).convert("RGB") for path in paths])

    cell = whole / "whole" / "rank-4-seed-1"
    sets = [
        features(sorted(folder.iterdir()))
        for folder in sorted((cell / "images").iterdir())
        if folder.is_dir()
    ]
    red, green, blue = (
        features([whole / "drawn" / f"{n}.png" for n in (6 + k, 9 + k)]) for k in range(3)
    )
    measures = results(whole / "whole")["rank-4-seed-1"]["measures"]
    near = {"rel": 1e-3}
    everything = frechet_distance(np.concatenate(sets), np.concatenate([red, green, blue]))
    assert measures["frechet_distance"] == pytest.approx(everything, **near)
    pair = np.mean([frechet_distance(images, red) for images in sets[:2]])
    others = [frechet_distance(sets[2], green), frechet_distance(sets[3], blue)]
    assert measures["fidelity"] == pytest.approx(
        np.mean([fidelity(d) for d in (pair, *others)]), **near
    )
    assert measures["diversity"] == pytest.approx(np.mean([diversity(s) for s in sets]), **near)
    assert measures["agreement"] == pytest.approx(agreement(sets[0], sets[1]), **near)


def test_the_table_is_the_mean_sd_and_student_interval_of_the_cells(whole):
    cells = defaultdict(list)
    for row in rows(whole / "whole" / "results.csv"):
        cells[row["rank"]].append(row)
    table = rows(whole / "whole" / "table.csv")
    assert [row["rank"] for row in table] == ["base, no LoRA", "2", "4"]
    for row in table:
        assert (row["seeds"], row["failed"]) == ("2", "0")
        assert {cell["lora_parameters"] for cell in cells[row["rank"]]} == {row["lora_parameters"]}
        for metric in ("frechet_distance", "fidelity", "diversity", "agreement"):
            values = [float(cell[metric]) for cell in cells[row["rank"]]]
            mean, sd = statistics.mean(values), statistics.stdev(values)
            half = t.ppf(0.975, 1) * sd / 2**0.5
            expected = [mean, sd, mean - half, mean + half]
            found = [float(row[f"{metric}_{part}"]) for part in ("mean", "sd", "low", "high")]
            assert found == pytest.approx(expected, rel=1e-9)
    printed = (whole / "printed.txt").read_text()
    assert "base, no LoRA" in printed
    assert (
        f"{float(table[1]['fidelity_mean']):.3f} ± {float(table[1]['fidelity_sd']):.3f}" in printed
    )


def test_a_sweep_killed_between_cells_in_training_and_in_sampling_ends_like_an_undisturbed_one(
    whole,
):
    cut = whole / "cut"
    assert act(whole, "between cells").returncode == -signal.SIGKILL
    assert len(results(cut)) == 2
    made = {path: path.stat().st_mtime_ns for path in cut.glob("*/result.json")}
    assert act(whole, "in training").returncode == -signal.SIGKILL
    assert list(cut.glob("*/checkpoint.training/transformer/step-*.safetensors"))
    assert act(whole, "in sampling").returncode == -signal.SIGKILL
    begun = [f for f in cut.glob("*/images") if not (f.parent / "result.json").exists()]
    assert [len(list(folder.glob("*/*.png"))) for folder in begun] == [3], "of the first batch's 10"
    done = act(whole, "go on")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in made} == made, "what is done is left alone"
    assert results(cut) == results(whole / "whole")
    assert pixels(cut) == pixels(whole / "whole")
    assert (cut / "table.csv").read_bytes() == (whole / "whole" / "table.csv").read_bytes()


@pytest.fixture
def base(whole):
    return whole / "base"


@pytest.fixture
def data(tmp_path, db):
    return squares(tmp_path / "drawn")


def test_more_ranks_and_seeds_join_a_sweep_and_with_one_seed_no_spread_is_claimed(
    data, base, tmp_path, capsys
):
    sweep(base, tmp_path / "sweep", ranks="2", seeds="7")
    assert "(sd not estimable)" in capsys.readouterr().out
    only = rows(tmp_path / "sweep" / "table.csv")[1]
    assert only["fidelity_mean"]
    assert (only["fidelity_sd"], only["fidelity_low"], only["seeds"]) == ("", "", "1")
    sweep(base, tmp_path / "sweep", ranks="3", seeds="7")
    table = rows(tmp_path / "sweep" / "table.csv")
    assert [row["rank"] for row in table] == ["base, no LoRA", "2", "3"]
    kept = RankSweep.objects.get(output="sweep")
    assert kept.asked == [[None, 7], [2, 7], [3, 7]]
    assert [(cell["rank"], cell["seed"]) for cell in kept.finished] == [(None, 7), (2, 7), (3, 7)]
    assert (kept.missing, kept.failed, kept.dataset) == ([], [], data)
    assert 0 < kept.floor["low"] <= kept.floor["value"] <= kept.floor["high"]
    assert kept.floor["n"] == 3, "half of the six"


def test_another_configuration_into_the_same_folder_is_refused_with_what_differs(
    data, base, tmp_path
):
    output = tmp_path / "sweep"
    sweep(base, output, ranks="2", seeds="1")
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    for flags, difference in {
        ("--set=learning_rate=0.5",): r"learning_rate 0.001 → 0.5",
        ("--set=max_train_steps=4", "--images-per-prompt=4"): (
            r"max_train_steps 3 → 4; images per prompt 3 → 4"
        ),
    }.items():
        with pytest.raises(CommandError, match=difference):
            sweep(base, output, *flags, ranks="2", seeds="1")
    an_image(dataset=data, split="test")
    with pytest.raises(CommandError, match=r"held-out data [0-9a-f]{12}… → "):
        sweep(base, output, ranks="2", seeds="1")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(CommandError, match="holds something else"):
        sweep(base, tmp_path / "other")
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


def test_a_cell_that_diverges_is_recorded_the_rest_goes_on_and_the_command_fails(
    data, base, tmp_path, monkeypatch, capsys
):
    """Rank 2's weights are made to overflow when its training begins."""
    from generation.training.families import flux

    train_part = flux.train_part

    def overflow(model, **options):
        train_part(model, **options)
        if options["rank"] == 2:
            for name, weight in model.named_parameters():
                if "lora_" in name:
                    weight.data.fill_(1e30)

    monkeypatch.setattr(flux, "train_part", overflow)
    output = tmp_path / "sweep"
    with pytest.raises(CommandError, match=r"1 cells? failed(.|\n)*rank 2 · seed 1: .*loss"):
        sweep(base, output, seeds="1")
    assert set(results(output)) == {"base-seed-1", "rank-4-seed-1"}
    by_rank = {row["rank"]: row for row in rows(output / "results.csv")}
    assert "The loss of the transformer stage is" in by_rank["2"]["error"]
    assert (by_rank["2"]["fidelity"], by_rank["4"]["error"]) == ("", "")
    assert "0 (1 failed)" in capsys.readouterr().out
    monkeypatch.undo()
    sweep(base, output, seeds="1")
    assert {row["error"] for row in rows(output / "results.csv")} == {""}, "tried again"


def test_a_sweep_stopped_by_the_keyboard_says_how_to_go_on(data, base, tmp_path, monkeypatch):
    from generation.training.checkpoints import Checkpoints

    def stop(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save", stop)
    with pytest.raises(CommandError, match="The same command goes on where it was"):
        sweep(base, tmp_path / "sweep", ranks="2", seeds="1")
    assert set(results(tmp_path / "sweep")) == {"base-seed-1"}


def test_a_folder_has_its_row_of_the_page_from_the_beginning_wherever_it_lies(
    data, base, tmp_path, monkeypatch
):
    def stop(*_args):
        raise KeyboardInterrupt

    def begin(name):
        with pytest.raises(CommandError, match="Stopped"):
            sweep(base, tmp_path / name, ranks="2", seeds="1")

    monkeypatch.setattr(Sweep, "_attempt", stop)
    begin("flux")
    first = RankSweep.objects.get()
    assert (first.output, first.asked, first.results) == ("flux", [[None, 1], [2, 1]], [])
    # As on another machine, where a path of that name is another folder.
    (tmp_path / "flux").rename(tmp_path / "moved")
    begin("flux")
    assert RankSweep.objects.count() == 2
    Cell.within(tmp_path / "moved", 2, 1).fail("RuntimeError: no memory\n" + "of it " * 100)
    begin("moved")
    assert RankSweep.objects.count() == 2
    first.refresh_from_db()
    assert first.output == "moved"
    assert [cell["error"] for cell in first.failed] == ["RuntimeError: no memory"]


def test_two_sweeps_at_once_in_a_folder_are_refused(data, base, tmp_path):
    import fcntl

    sweep(base, tmp_path / "sweep", ranks="2", seeds="1")
    with (tmp_path / "sweep" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match="Another sweep is at work"):
            sweep(base, tmp_path / "sweep", ranks="2", seeds="1")


def test_kandinsky_is_swept_with_prior_and_decoder(data, tmp_path):
    base = tiny_base("kandinsky", tmp_path / "kandinsky")
    output = tmp_path / "sweep"
    call_command(
        "lora_sweep",
        "kandinsky",
        "--dataset=squares",
        f"--output={output}",
        "--ranks=2",
        "--seeds=1",
        "--preset=small",
        "--images-per-prompt=2",
        f"--set=pretrained_model_name_or_path={base / 'decoder'}",
        f"--set=pretrained_prior_model_name_or_path={base / 'prior'}",
        "--set=prior_max_train_steps=1",
        "--set=prior_steps=2",
        *(f"--set={flag}" for flag in FLAGS if "token_length" not in flag),
    )
    untrained, trained = rows(output / "results.csv")
    assert (trained["steps_prior"], trained["steps_decoder"]) == ("1", "3")
    assert float(trained["loss_prior"]) > 0
    assert untrained["checkpoint_digest"].count(" ") == 1, "prior and decoder"


def test_what_can_t_be_swept_is_refused_before_anything_is_written(data, base, tmp_path):
    output = tmp_path / "sweep"
    an_image(dataset=data, split="validation")
    for flags, complaint in {
        ("--ranks=0,4",): "0 is no rank",
        ("--ranks=4,x",): "whole numbers with commas",
        ("--seeds=-1",): "-1 is negative",
        ("--set=rank=4", "--set=seed=1"): r"rank is set by --ranks(.|\n)*seed is set by --seeds",
        ("--set=rank",): "NAME=VALUE is needed",
        ("--set=magic=1", "--set=steps=0", "--images-per-prompt=1"): (
            r"at least 2(.|\n)*steps is 0(.|\n)*no setting 'magic'"
        ),
        ("--preset=huge",): "no preset 'huge'; it has: paper, small",
        ("--evaluation-split=train",): "is trained on; name another split",
        ("--evaluation-split=validation",): r"at least 2 .*has 1 .*1 validation",
        ("--dataset=nothing",): "there are: squares",
        ("--set=pretrained_model_name_or_path=./nowhere",): "no directory ./nowhere",
    }.items():
        with pytest.raises(CommandError, match=complaint):
            sweep(base, output, *flags)
    with pytest.raises(CommandError, match=r"msdm is no family that .*: kandinsky, flux"):
        sweep(base, output, family="msdm")
    assert not output.exists()


def test_a_prompt_that_the_text_encoder_can_t_take_stops_the_sweep_before_any_training(
    data, base, tmp_path
):
    long = Prompt.objects.create(dataset=data, text="a red square. " * 30)
    an_image(dataset=data, split="test").prompts.add(long)
    with pytest.raises(CommandError, match=r"base can't be sampled.*tokens"):
        sweep(base, tmp_path / "sweep")
    assert not list((tmp_path / "sweep").glob("rank-*"))
    sweep(base, tmp_path / "sweep", "--set=token_length=400", ranks="2", seeds="1")
    assert len(results(tmp_path / "sweep")) == 2, "nothing was begun that the change could spoil"


def test_the_table_says_what_is_not_estimable():
    measures = {"frechet_distance": 2.0, "fidelity": None, "diversity": 0.5, "agreement": None}
    cell = {"rank": 8, "seed": 1, "lora_parameters": 10, "measures": measures}
    other = {**cell, "seed": 2, "measures": {**measures, "frechet_distance": 4.0}}
    row = rank_rows([cell, other]).to_dict("records")[0]
    half = 12.706204736 * 2**0.5 / 2**0.5
    assert (row["frechet_distance_mean"], row["frechet_distance_sd"]) == (3, pytest.approx(2**0.5))
    assert row["frechet_distance_low"] == pytest.approx(3 - half)
    text = table_text([cell, other])
    assert "3.00 ± 1.41 [-9.71, 15.71]" in text
    assert text.count("not estimable") == 2
