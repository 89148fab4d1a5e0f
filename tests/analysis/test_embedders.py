"""Embedders: the one that works offline for real, each other from tiny random weights on disk."""

import json

import numpy as np
import pytest
from PIL import Image

from analysis.metrics.embedders import EMBEDDERS, EmbedderError, embedder_row, load_embedder
from analysis.metrics.energy import energy_distance
from generation.phantom import corpus


@pytest.fixture(scope="module")
def lite0():
    return load_embedder("efficientnet-lite0")


@pytest.fixture(scope="module")
def phantoms():
    return [record.image for record in corpus(16, seed=1, size=96)]


def test_the_offline_embedder_puts_degraded_images_farther_from_real_ones(lite0, phantoms):
    real = lite0.embed(phantoms[:8])
    others = phantoms[8:]
    slight = [i.resize((64, 64)).resize((96, 96)) for i in others]
    strong = [i.resize((8, 8)).resize((96, 96)) for i in others]
    near, middle, far = (energy_distance(lite0.embed(s), real) for s in (others, slight, strong))
    assert near < middle < far


def test_degraded_sets_of_real_polyps_are_ordered_too(lite0, shared_data):
    files = sorted((shared_data / "polyps-kvasir-seg" / "images").iterdir())[:32]
    images = [Image.open(file).convert("RGB") for file in files]
    real, others = lite0.embed(images[:16]), images[16:]
    sets = [others, *([i.resize((s, s)).resize(i.size) for i in others] for s in (64, 16))]
    near, middle, far = (energy_distance(lite0.embed(s), real) for s in sets)
    assert near < middle < far


def test_features_are_the_same_whatever_the_batch(lite0, phantoms):
    together = lite0.embed(phantoms[:4])
    alone = np.concatenate([lite0.embed([i]) for i in phantoms[:4]])
    assert together.shape == (4, lite0.row.dimensions)
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_the_fingerprint_names_weights_and_preprocessing(lite0):
    assert lite0.fingerprint == "efficientnet-lite0:0e6eac3920806d21:squash"


def test_squashing_shows_the_whole_image_and_cropping_its_centre():
    image = Image.new("RGB", (400, 200), "black")
    image.paste("white", (0, 0, 40, 200))  # at the left edge
    paper = EMBEDDERS["biomedclip"].preprocessing(image)
    model = EMBEDDERS["biomedclip-model"].preprocessing(image)
    assert paper.shape == model.shape == (3, 224, 224)
    assert paper.max() == 1
    assert np.ptp(model) < 2.5  # three channels of black: the edge is cut away
    assert model[0].max() == pytest.approx(-0.48145466 / 0.26862954)


def test_an_unknown_embedder_is_answered_with_those_that_exist():
    with pytest.raises(EmbedderError, match="there are: efficientnet-lite0, biomedclip"):
        load_embedder("inception")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("biomedclip", "hf-hub:blindread/nothing-here"),
        ("dinov2", "hf-hub:blindread/nothing-here"),
        ("endovit", "hf-hub:blindread/nothing-here"),
        ("inception-v3", "https://127.0.0.1:9/pt_inception-2015-12-05-6726825d.pth"),
    ],
)
def test_a_model_out_of_reach_says_what_to_do(monkeypatch, tmp_path, name, source):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(EmbedderError, match=rf"EMBEDDER_SOURCES={name}=local-dir:/folder"):
        load_embedder(name, sources={name: source})


def test_a_directory_without_the_files_is_named(tmp_path):
    with pytest.raises(EmbedderError, match=r"needs open_clip_config\.json"):
        load_embedder("biomedclip", sources={"biomedclip": f"local-dir:{tmp_path}"})


def test_a_source_that_is_none_is_refused():
    with pytest.raises(EmbedderError, match="write hf-hub:owner/name or local-dir:/path"):
        load_embedder("endovit", sources={"endovit": "/somewhere"})


def test_every_row_says_what_it_is():
    for name, row in EMBEDDERS.items():
        assert name == row.name
        assert row.dimensions in (768, 1280, 2048)
        assert all((row.title, row.architecture, row.feature, row.source, row.licence))


@pytest.fixture(scope="module")
def local_biomedclip(tmp_path_factory):
    """BiomedCLIP's layout with a small trunk and random weights, written by open_clip itself."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("biomedclip")
    bert = {
        "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "vocab_size": 100,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(bert))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "polyp", "two", "polyps", "."]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    config = {
        "embed_dim": 16,
        "vision_cfg": {
            "timm_model_name": "vit_tiny_patch16_224", "timm_model_pretrained": False,
            "timm_pool": "", "timm_proj": "linear", "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": str(folder), "hf_tokenizer_name": str(folder),
            "hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 16,
        },
    }  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    torch.manual_seed(0)
    model = open_clip.CustomTextCLIP(
        16, config["vision_cfg"], config["text_cfg"] | {"hf_model_pretrained": False}
    )
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder, model.eval()


def test_biomedclip_features_are_the_class_token_of_open_clips_image_tower(
    local_biomedclip, phantoms
):
    import torch

    folder, model = local_biomedclip
    embedder = load_embedder("biomedclip", sources={"biomedclip": f"local-dir:{folder}"})
    features = embedder.embed(phantoms[:3])
    batch = torch.from_numpy(np.stack([embedder.row.preprocessing(i) for i in phantoms[:3]]))
    with torch.inference_mode():
        token = model.visual.trunk.forward_features(batch)[:, 0].numpy()
    np.testing.assert_allclose(features, token, atol=1e-5)
    assert features.shape == (3, 192)
    assert abs(np.linalg.norm(features, axis=1) - 1).min() > 1  # not normalised


def test_the_two_preprocessings_of_biomedclip_have_their_own_fingerprints(local_biomedclip):
    folder, _ = local_biomedclip
    prints = {
        load_embedder(name, sources={name: f"local-dir:{folder}"}).fingerprint
        for name in ("biomedclip", "biomedclip-model")
    }
    assert len(prints) == 2


def test_texts_and_projected_images_are_those_of_open_clip(local_biomedclip, phantoms):
    import open_clip
    import torch

    folder, model = local_biomedclip
    embedder = load_embedder("biomedclip", sources={"biomedclip": f"local-dir:{folder}"})
    texts = ["two polyps.", "a polyp"]
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    batch = torch.from_numpy(embedder.prepare(phantoms[:3]))
    with torch.inference_mode():
        wanted_texts, wanted_images = model.encode_text(tokens), model.encode_image(batch)
    np.testing.assert_allclose(embedder.embed_texts(texts), wanted_texts, atol=1e-5)
    projected = embedder.project(embedder.embed(phantoms[:3]))
    np.testing.assert_allclose(projected, wanted_images, atol=1e-4)
    assert abs(wanted_texts[0] - wanted_texts[1]).max() > 0


def test_an_embedder_without_texts_names_those_that_have_them(lite0):
    with pytest.raises(EmbedderError, match="embeds no texts; choose biomedclip"):
        lite0.embed_texts(["a polyp"])


def test_a_local_hub_file_serves_as_the_hub_does(local_biomedclip, monkeypatch, phantoms):
    """What the hub's own client has in its cache is used without a network."""
    folder, _ = local_biomedclip
    cache = folder.parent / "hub"
    snapshot = cache / "models--lab--biomedclip" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())
    refs = cache / "models--lab--biomedclip" / "refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    from_hub, local = (
        load_embedder("biomedclip", sources={"biomedclip": source})
        for source in ("hf-hub:lab/biomedclip", f"local-dir:{folder}")
    )
    assert from_hub.fingerprint == local.fingerprint
    assert (from_hub.revision, local.revision) == ("0" * 40, "")
    pinned = load_embedder(
        "biomedclip", sources={"biomedclip": "hf-hub:lab/biomedclip@" + "0" * 40}
    )
    assert pinned.fingerprint == local.fingerprint
    assert pinned.revision == "0" * 40


@pytest.fixture(scope="module")
def local_timm(tmp_path_factory):
    """A folder as timm writes and the hub serves it: DINOv2's architecture, much smaller."""
    import timm
    import torch
    from timm.models.hub import save_for_hf

    torch.manual_seed(0)
    name = "vit_small_patch14_dinov2.lvd142m"
    options = {"depth": 2, "embed_dim": 64, "num_heads": 2, "img_size": 518}
    model = timm.create_model(name, pretrained=False, num_classes=0, **options)
    folder = tmp_path_factory.mktemp("timm")
    save_for_hf(model.eval(), folder, model_args=options)
    return folder, model


def test_dinov2_features_are_timms_class_token_at_224_pixels(local_timm, phantoms):
    import timm
    import torch

    folder, _ = local_timm
    embedder = load_embedder("dinov2", sources={"dinov2": f"local-dir:{folder}"})
    again = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0, img_size=224)
    batch = torch.from_numpy(embedder.prepare(phantoms[:2]))
    with torch.inference_mode():
        token = again.eval().forward_features(batch)[:, 0]
    features = embedder.embed(phantoms[:2])
    assert features.shape == (2, 64)
    assert embedder.row.dimensions == 64
    np.testing.assert_allclose(features, token, atol=1e-5)


def test_any_timm_model_brings_its_own_preprocessing(local_timm, phantoms):
    folder, _ = local_timm
    embedder = load_embedder(f"timm:local-dir:{folder}")
    assert embedder.preprocessing.size == 518
    assert embedder.preprocessing.mean == (0.485, 0.456, 0.406)
    assert len(embedder.fingerprint) <= 80
    assert embedder.fingerprint.rpartition(":")[2].startswith("own-")
    assert embedder.embed(phantoms[:1]).shape == (1, 64)


@pytest.fixture(scope="module")
def local_open_clip(tmp_path_factory):
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {
            "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1,
        },
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("open_clip")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"interpolation": "bilinear"}})
    )
    model = open_clip.CLIP(**config).eval()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder, model


def test_any_open_clip_model_embeds_images_and_texts(local_open_clip, phantoms):
    import open_clip
    import torch

    folder, model = local_open_clip
    embedder = load_embedder(f"open_clip:local-dir:{folder}")
    transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")[2]
    with torch.inference_mode():
        images = model.encode_image(torch.stack([transform(i) for i in phantoms[:3]]))
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(["a polyp"]))
    features = embedder.embed(phantoms[:3])
    np.testing.assert_allclose(features, images, atol=1e-3)
    np.testing.assert_array_equal(embedder.project(features), features)
    np.testing.assert_allclose(embedder.embed_texts(["a polyp"]), texts, atol=1e-5)


def test_an_open_clip_folder_without_weights_is_refused(local_open_clip, tmp_path):
    folder, _ = local_open_clip
    (tmp_path / "open_clip_config.json").write_bytes(
        (folder / "open_clip_config.json").read_bytes()
    )
    with pytest.raises(EmbedderError, match="can't be had"):
        load_embedder(f"open_clip:local-dir:{tmp_path}")


def test_an_open_clip_model_without_its_weights_name_is_refused():
    with pytest.raises(EmbedderError, match="open_clip:ViT-B-32/TAG"):
        load_embedder("open_clip:ViT-B-32")
    assert embedder_row("open_clip:ViT-B-32/openai").texts


@pytest.mark.parametrize("wrapped", [True, False])
def test_endovit_is_read_off_its_tensors(tmp_path, phantoms, wrapped):
    """As the published file: under ``model``, with tensors of the decoder that are left."""
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.models.vision_transformer.VisionTransformer(
        patch_size=16, embed_dim=128, depth=2, num_heads=2, num_classes=0
    ).eval()
    state = model.state_dict() | {"decoder_pos_embed": torch.zeros(1, 197, 64)}
    torch.save({"model": state} if wrapped else state, tmp_path / "pytorch_model.bin")
    embedder = load_embedder("endovit", sources={"endovit": f"local-dir:{tmp_path}"})
    batch = torch.from_numpy(embedder.prepare(phantoms[:2]))
    with torch.inference_mode():
        token = model.forward_features(batch)[:, 0]
    np.testing.assert_allclose(embedder.embed(phantoms[:2]), token, atol=1e-5)
    assert embedder.preprocessing.mean == (0.3464, 0.2280, 0.2228)


def test_endovit_without_a_tensor_is_refused_with_its_name(tmp_path):
    import torch

    torch.save({"pos_embed": torch.zeros(1, 197, 64)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(EmbedderError, match="lacks the tensor 'cls_token'"):
        load_embedder("endovit", sources={"endovit": f"local-dir:{tmp_path}"})


def test_inception_features_are_those_of_torch_fidelity(tmp_path, phantoms):
    """The same random weights in both: pools, order and place of the feature agree."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    from analysis.metrics.inception import fid_inception

    torch.manual_seed(0)
    file = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(fid_inception().state_dict(), file)
    embedder = load_embedder("inception-v3", sources={"inception-v3": f"local-dir:{tmp_path}"})
    theirs = FeatureExtractorInceptionV3(
        "inception", ["2048"], feature_extractor_weights_path=str(file)
    )
    images = [image.resize((299, 299)) for image in phantoms[:2]]  # neither resizes then
    batch = torch.from_numpy(np.stack([np.asarray(i.convert("RGB")) for i in images]))
    with torch.inference_mode():
        wanted = theirs(batch.permute(0, 3, 1, 2).contiguous())[0].numpy()
    features = embedder.embed(images)
    assert features.shape == (2, 2048)
    np.testing.assert_allclose(features, wanted, rtol=1e-3, atol=1e-4 * abs(wanted).max())


def test_a_damaged_download_is_refused(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth").write_bytes(b"half")
    with pytest.raises(EmbedderError, match=r"is damaged \(SHA-256 .*, not 6726825d"):
        load_embedder("inception-v3")
