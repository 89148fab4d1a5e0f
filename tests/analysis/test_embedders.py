"""Embedders: the one that works offline for real, BiomedCLIP against open_clip itself."""

import json

import numpy as np
import pytest
from PIL import Image

from analysis.metrics.embedders import (
    EMBEDDERS,
    EmbedderError,
    load_embedder,
)
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


def test_biomedclip_out_of_reach_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EmbedderError, match="BIOMEDCLIP=local-dir"):
        load_embedder("biomedclip", biomedclip="hf-hub:blindread/nothing-here")


def test_a_directory_without_the_files_is_named(tmp_path):
    with pytest.raises(EmbedderError, match=r"needs open_clip_config\.json"):
        load_embedder("biomedclip", biomedclip=f"local-dir:{tmp_path}")


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
    embedder = load_embedder("biomedclip", biomedclip=f"local-dir:{folder}")
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
        load_embedder(name, biomedclip=f"local-dir:{folder}").fingerprint
        for name in ("biomedclip", "biomedclip-model")
    }
    assert len(prints) == 2
