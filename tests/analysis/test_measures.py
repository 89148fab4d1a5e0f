"""Every registered metric on a study's images: values, reasons, floors, what is kept."""

import io
import json

import numpy as np
import pytest
from django.apps import apps
from django.urls import reverse
from PIL import Image as Pillow

from analysis.embedding import embed_images, embed_texts
from analysis.images import StudyImages
from analysis.measures import Measurements
from analysis.metrics import METRICS, metric
from analysis.metrics.embedders import EmbedderError, load_embedder
from analysis.metrics.pixel_views import PIXEL_VIEWS
from analysis.models import Embedding
from analysis.sources import Sources, gather_sources, training_images
from tests import builders
from tests.analysis.builders import a_rated_study, a_report, know_features

pytestmark = pytest.mark.django_db


class Drawn:
    """Stands for an embedder: features drawn from what an image shows, fast."""

    fingerprint, batch = "drawn:1", 4

    class row:
        name = "drawn"

    def prepare(self, images):
        return np.stack([np.asarray(i.resize((4, 4)), np.float32).ravel() / 255 for i in images])

    def forward(self, batch):
        return batch

    def embed_texts(self, texts):
        raise EmbedderError("Drawn embeds no texts.")

    project = None


@pytest.fixture
def registered():
    """What a user's module does; undone afterwards."""
    before = dict(METRICS)
    yield metric
    METRICS.clear()
    METRICS.update(before)


def measured(study, **options):
    images = StudyImages.of(study)
    training = training_images(images.arms)
    features = embed_images(images.and_training(training), embedder=Drawn())
    sources = gather_sources(images, training, embedder=Drawn(), features=features)
    return Measurements(images, features, sources, **options)


def of_arms(measurements, key):
    return {v.arm.position: v for v in measurements.values if v.metric == key and not v.case}


BRIGHTNESS = {
    "name": "Brightness", "scope": "set", "takes": ("pixels",), "better": "neither", "low": 0,
    "high": 255, "formula": "mean grey value", "bias": "none",
}  # fmt: skip


def test_a_metric_of_a_users_own_appears_everywhere(registered, client):
    @registered(**BRIGHTNESS)
    def brightness(pixels):
        return float(np.mean([p.mean() for p in pixels]))

    study = a_rated_study(arms=2)
    know_features(study)
    report = a_report(study)
    images = StudyImages.of(study)
    case, arm = images.cases[0], images.arms[0]
    shown = [np.asarray(Pillow.open(i.file).convert("RGB")) for i in
             images.generated[case.pk, arm.pk]]  # fmt: skip
    value = report.metric_values.get(metric="brightness", arm=arm, case=case)
    assert value.value == pytest.approx(np.mean(shown), rel=1e-6)
    assert value.n == len(shown)
    arms = [row for row in report.results["metrics"] if row["metric"] == "brightness"]
    assert [row["arm"] for row in arms] == report.results["arms"]
    assert all(row["low"] < row["value"] < row["high"] for row in arms)
    named = {row["metric_name"] for row in report.results["correlations"]}
    assert "Brightness" in named
    client.force_login(study.owner)
    page = client.get(reverse("analysis:report", args=[study.slug])).content.decode()
    assert page.count("Brightness") >= 3  # values, correlations, methods
    assert "mean grey value" in page.lower()
    table = client.get(reverse("analysis:report-download", args=[report.pk, "metrics"]))
    assert "brightness" in table.content.decode()


def test_modules_named_in_the_settings_register_their_metrics(
    registered, settings, tmp_path, monkeypatch
):
    (tmp_path / "lab_metrics.py").write_text(
        "from analysis.metrics import metric\n\n\n"
        f"@metric(**{BRIGHTNESS | {'name': 'Of the lab'}})\n"
        "def of_the_lab(pixels):\n    return 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.METRIC_MODULES = ["lab_metrics"]
    apps.get_app_config("analysis").ready()
    assert METRICS["of_the_lab"].name == "Of the lab"


def test_a_second_report_reads_what_pixels_gave(registered):
    calls = []

    @registered(**BRIGHTNESS)
    def brightness(pixels):
        calls.append(len(pixels))
        return float(np.mean([p.mean() for p in pixels]))

    study = a_rated_study(pairs=2, arms=2)
    first, second = of_arms(measured(study), "brightness"), of_arms(measured(study), "brightness")
    assert len(calls) == 2 * 2 * 2
    assert {k: v.value for k, v in first.items()} == {k: v.value for k, v in second.items()}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda x: 1 / 0, "It failed: ZeroDivisionError: division by zero."),
        (lambda x: float("nan"), "Its value is not a finite number."),
    ],
)
def test_a_metric_that_fails_costs_only_itself(registered, value, reason):
    registered(**BRIGHTNESS | {"key": "broken", "takes": ("features",)})(value)
    found = measured(builders.a_study(pairs=2, arms=2))
    assert found.reasons["broken"] == reason
    assert not of_arms(found, "broken")
    assert of_arms(found, "diversity")


def test_a_description_that_makes_no_sense_is_refused(registered):
    for change, words in (
        ({"scope": "galaxy"}, "no scope “galaxy”"),
        ({"takes": ("entrails",)}, "takes entrails"),
        ({"better": "bluer"}, "better is one of"),
        ({"floor": True}, "a floor needs"),
        ({"key": "fbd"}, "There is a metric “fbd” already: FBD"),
    ):
        with pytest.raises(ValueError, match=words):
            registered(**BRIGHTNESS | change)(lambda x: 0)


def test_every_metric_says_what_it_is():
    for key, row in METRICS.items():
        assert key == row.key
        assert row.name
        assert not row.formula.endswith(".")
        assert row.bias
        assert row.low < row.high
    assert METRICS["mmd"].range == "−2000 to 2000"
    assert METRICS["energy"].range == "any value"
    assert METRICS["fbd"].range == "0 or more"


def test_fid_is_not_named_so_on_other_features():
    found = measured(builders.a_study(pairs=2, arms=2))
    assert found.reasons["fid"] == (
        "FID is defined on Inception-v3 of FID (ImageNet, 2015): choose the embedder inception-v3."
    )


def test_without_training_images_copying_and_utility_say_so():
    found = measured(builders.a_study(pairs=2, arms=2))
    for key in ("copying", "copying_tiles", "copying_hashes"):
        assert "without the training images" in found.reasons[key]
    assert "needs the training images" in found.reasons["utility"]


def test_a_planted_copy_is_found_by_every_view_and_named():
    study = builders.a_study(pairs=3, arms=2, size=48, protocol=builders.a_protocol(
        references_per_case=4))  # fmt: skip
    images = StudyImages.of(study)
    arm, case = images.arms[0], images.cases[2]
    dataset = case.prompt.dataset
    copied = images.generated[case.pk, arm.pk][1]
    with copied.file.open() as file:
        picture = Pillow.open(io.BytesIO(file.read())).convert("RGB")
    out = io.BytesIO()
    picture.save(out, "BMP")  # other bytes, the same pixels
    planted = builders.an_image(dataset=dataset, split="train", content=out.getvalue())
    for _ in range(8):
        builders.an_image(dataset=dataset, split="train", size=48)

    found = measured(study)
    for key in ("copying", "copying_tiles", "copying_hashes"):
        values = of_arms(found, key)
        summary, nearest, *_ = values[arm.position].rows
        assert summary["near_copies"] == 1, key
        assert summary["sentence"].startswith("Evidence of copying: 1 of 12 generated images")
        assert nearest["training_image"] == planted.pk
        assert nearest["generated_image"] == copied.pk
        other = values[images.arms[1].position].rows[0]
        assert other["near_copies"] == 0
        json.dumps([dict(row) for row in values[arm.position].rows], allow_nan=False)


def test_real_images_that_were_trained_on_are_not_held_out():
    study = builders.a_study(pairs=2, arms=1)
    images = StudyImages.of(study)
    reference = next(iter(images.real.values()))[0]
    sources = Sources(training={images.arms[0].pk: [reference]})
    features = embed_images(images.all(), embedder=Drawn())
    found = Measurements(images, features, sources)
    group = found.groups(images.arms[0])["arm"][0]
    assert reference in group.real
    assert reference not in found._held_out(group)


def test_utility_takes_the_pair_as_class_and_captions_as_labels():
    study = builders.a_study(pairs=3, arms=2)
    dataset = study.cases.first().prompt.dataset
    originals = list(dataset.prompts.filter(rephrasing_of=None))
    for prompt in originals:
        for _ in range(4):
            builders.an_image(dataset=dataset, split="train").prompts.add(prompt)
    both = builders.an_image(dataset=dataset, split="train")  # of two classes: of none
    both.prompts.set(originals[:2])
    found = measured(study)
    assert sorted(found.sources.training_labels.values()) == sorted(
        [-1, *(p.pk for p in originals for _ in range(4))]
    )
    value = of_arms(found, "utility")[study.arms.first().position]
    assert 0 <= value.low <= value.value <= value.high <= 1
    rows = {(row["trained_on"], row["fraction"]): row for row in value.rows}
    assert rows["real", 1.0]["n_real"] == 12
    assert rows["both", 1.0]["n_synthetic"] == value.n
    assert rows["real", 0.01]["reason"]


def test_floors_stand_at_the_number_of_images_that_was_measured():
    study = builders.a_study(
        pairs=8, arms=2, protocol=builders.a_protocol(references_per_case=3, images_per_set=4)
    )
    found = measured(study)
    floors = {floor.metric: floor for floor in found.floors(seed=1)}
    assert set(floors) == {k for k, m in METRICS.items() if m.floor and k != "fid"}
    assert (floors["energy"].n, floors["energy"].m) == (4, 3)
    assert floors["energy"].low < 0 < floors["energy"].high  # unbiased
    assert floors["frechet"].low > 0  # biased
    assert (floors["fbd"].n, floors["fbd"].m) == (12, 12)  # half of 24 real images
    assert set(floors["fbd"].same_n) == {str(arm) for arm in found.images.arms}
    assert floors == {floor.metric: floor for floor in found.floors(seed=1)}


def test_too_few_real_images_for_a_floor_are_said():
    floors = {f.metric: f for f in measured(builders.a_study(pairs=1, arms=1)).floors(seed=1)}
    assert floors["energy"].value is None
    assert floors["energy"].reason == (
        "real against real needs 4 different real images; the study has 2"
    )


def test_ms_ssim_of_small_images_is_not_estimable_and_of_large_ones_is_kept():
    study = builders.a_study(pairs=1, arms=1, size=176)
    found = measured(study)
    values = of_arms(found, "ms_ssim")
    assert 0 <= next(iter(values.values())).value <= 1
    assert Embedding.objects.filter(embedder="metric:ms_ssim:1").count() == 2
    small = measured(builders.a_study(pairs=1, arms=1, title="Small", size=16))
    assert "at least 161 pixels a side, not 16×16" in small.reasons["ms_ssim"]


def test_clip_score_compares_each_image_with_its_own_prompt():
    study = builders.a_study(pairs=2, arms=1)
    images = StudyImages.of(study)
    features = embed_images(images.all(), embedder=Drawn())
    rng = np.random.default_rng(0)
    texts = {case.prompt.text: rng.normal(size=48) for case in images.cases}
    sources = Sources(texts=texts, project=lambda x: 2 * x, no_texts="")
    found = Measurements(images, features, sources)
    case, arm = images.cases[1], images.arms[0]
    value = next(v for v in found.values if v.metric == "clip_score" and v.case == case)
    own = [features[i.sha256] for i in images.generated[case.pk, arm.pk]]
    text = texts[case.prompt.text]
    cosines = [x @ text / np.linalg.norm(x) / np.linalg.norm(text) for x in own]
    assert value.value == pytest.approx(100 * np.mean(cosines))
    assert measured(study).reasons["clip_score"] == "Drawn embeds no texts."


def test_texts_are_embedded_once():
    class Counting(Drawn):
        fingerprint = "counting:1"
        asked = 0

        def embed_texts(self, texts):
            self.asked += len(texts)
            return np.array([[len(text), 1.0] for text in texts])

    embedder = Counting()
    assert embed_texts(["a", "polyp"], embedder=embedder)["polyp"].tolist() == [5, 1]
    again = embed_texts(["polyp", "a", "two"], embedder=embedder)
    assert again["two"].tolist() == [3, 1]
    assert embedder.asked == 3


def test_features_do_not_depend_on_the_order_of_asking_or_on_what_was_known():
    dataset = builders.a_dataset(pairs=5, images_per_pair=3)
    images = list(dataset.images.all())
    view = PIXEL_VIEWS["tiles"]
    some = embed_images(images[:4], embedder=view)
    every = embed_images(images[::-1], embedder=view)
    assert len(every) == 15
    assert all(np.array_equal(some[sha256], every[sha256]) for sha256 in some)
    steps = []
    embed_images(images, embedder=view, progress=steps.append)
    assert steps == [15]  # all known


def test_cancelling_between_batches_keeps_what_was_done():
    images = list(builders.a_dataset(pairs=5, images_per_pair=4).images.all())

    def stop(done):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_images(images, embedder=Drawn(), progress=stop)
    assert Embedding.objects.filter(embedder="drawn:1").count() == 8
    steps = []
    embed_images(images, embedder=Drawn(), progress=steps.append)
    assert steps == [8, 12, 16, 20]


def test_training_images_are_those_of_the_training_or_of_the_data_set():
    study = builders.a_study(pairs=1, arms=1)
    assert training_images(list(study.arms.all())) == {study.arms.get().pk: []}
    images = [
        builders.an_image(dataset=study.arms.get().generator.trained_on, split="train")
        for _ in range(2)
    ]
    assert training_images(list(study.arms.all())) == {study.arms.get().pk: images}


def test_any_open_clip_model_gives_a_clip_score_in_a_report(tmp_path, settings):
    """End to end with a tiny random model on disk: both towers, texts kept."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    config = {
        "embed_dim": 8, "vision_cfg": {"image_size": 32, "layers": 1, "width": 64,
                                       "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 1,
                     "layers": 1},
    }  # fmt: skip
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(open_clip.CLIP(**config).state_dict(), tmp_path / "open_clip_model.safetensors")
    settings.EMBEDDER_SOURCES = {"open_clip:tiny/x": f"local-dir:{tmp_path}"}
    study = a_rated_study(pairs=2, arms=2)
    report = a_report(study, embedder="open_clip:tiny/x")
    rows = [r for r in report.results["metrics"] if r["metric"] == "clip_score"]
    assert all(-100 <= row["value"] <= 100 for row in rows)
    assert load_embedder("open_clip:tiny/x", sources=settings.EMBEDDER_SOURCES).fingerprint in {
        e.removeprefix("text:") for e in Embedding.objects.values_list("embedder", flat=True)
    }
