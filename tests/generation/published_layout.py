"""Bases in the files that the published repositories have.

CompVis/stable-diffusion-v1-4, black-forest-labs/FLUX.1-dev, kandinsky-community/kandinsky-2-2-prior
and -decoder: the same models, in files that today's libraries would write otherwise.
"""

import json
import shutil
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    FluxPipeline,
    KandinskyV22Pipeline,
    StableDiffusionPipeline,
    VQModel,
)
from safetensors.torch import load_file, save_file

# As the models were before Attention had one name for its layers.
_OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def with_published_parts(family: str, base: Path, directory: Path) -> Path:
    """``base`` anew, its autoencoder of the published kind (of other weights)."""
    torch.manual_seed(1)
    if family == "kandinsky":
        shutil.copytree(base / "prior", directory / "prior")
        decoder = KandinskyV22Pipeline.from_pretrained(base / "decoder")
        decoder.movq = VQModel(
            block_out_channels=(32, 32, 64),
            down_block_types=("DownEncoderBlock2D",) * 2 + ("AttnDownEncoderBlock2D",),
            up_block_types=("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            vq_embed_dim=4,
            num_vq_embeddings=8,
            norm_num_groups=8,
            norm_type="spatial",
        )
        decoder.save_pretrained(directory / "decoder")
        return directory
    kind = {"flux": FluxPipeline, "stable_diffusion": StableDiffusionPipeline}[family]
    pipeline = kind.from_pretrained(base)
    flux = family == "flux"
    pipeline.vae = AutoencoderKL(
        block_out_channels=(16, 16, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=8,
        scaling_factor=0.3611 if flux else 0.18215,
        shift_factor=0.1159 if flux else None,
        use_quant_conv=not flux,
        use_post_quant_conv=not flux,
    )
    pipeline.save_pretrained(directory)
    return directory


def as_published(family: str, directory: Path) -> None:
    """Change the files of a base, but nothing of what they say, to those of the repositories."""
    {"flux": _flux, "kandinsky": _kandinsky, "stable_diffusion": _stable_diffusion}[family](
        directory
    )


def _flux(directory: Path) -> None:
    _old_clip_text(directory / "text_encoder")
    _old_clip_tokenizer(directory / "tokenizer")
    _edit(directory / "model_index.json", tokenizer_2=["transformers", "T5TokenizerFast"])
    _edit(directory / "tokenizer_2" / "tokenizer_config.json", tokenizer_class="T5Tokenizer")
    for name in ("flux1-dev.safetensors", "ae.safetensors"):
        save_file({"copy": torch.zeros(3)}, directory / name)
    _documents(directory, "LICENSE.md", "dev_grid.jpg")


def _kandinsky(directory: Path) -> None:
    for name in ("prior", "decoder"):
        _documents(directory / name)
    prior = directory / "prior"
    _old_clip_tokenizer(prior / "tokenizer")
    for part in ("prior", "text_encoder", "image_encoder"):
        _variants(prior / part)
    for part in ("unet", "movq"):
        _variants(directory / "decoder" / part)


def _stable_diffusion(directory: Path) -> None:
    _old_clip_text(directory / "text_encoder")
    _old_clip_tokenizer(directory / "tokenizer")
    _old_attention(directory / "vae")
    for part in ("unet", "vae", "text_encoder"):
        _variants(directory / part)
    checker = directory / "safety_checker"
    checker.mkdir()
    (checker / "config.json").write_text('{"architectures": ["StableDiffusionSafetyChecker"]}')
    save_file({"concept_embeds": torch.ones(17, 8)}, checker / "model.safetensors")
    (directory / "feature_extractor").mkdir()
    (directory / "feature_extractor" / "preprocessor_config.json").write_text(
        '{"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224}'
    )
    index = json.loads((directory / "model_index.json").read_text())
    for name in ("requires_safety_checker", "image_encoder"):  # not known in its day
        del index[name]
    index["_diffusers_version"] = "0.2.2"
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (directory / "model_index.json").write_text(json.dumps(index))
    _documents(directory, "v1-variants-scores.jpg")


def _old_clip_text(part: Path) -> None:
    """Weights below ``text_model``, and the positions' numbers among them."""
    path = part / "model.safetensors"
    weights = {f"text_model.{name}": tensor for name, tensor in load_file(path).items()}
    count = weights["text_model.embeddings.position_embedding.weight"].shape[0]
    weights["text_model.embeddings.position_ids"] = torch.arange(count)[None]
    save_file(weights, path, metadata={"format": "pt"})


def _old_clip_tokenizer(part: Path) -> None:
    """Vocabulary and merges in two files instead of one."""
    model = json.loads((part / "tokenizer.json").read_text())["model"]
    config = json.loads((part / "tokenizer_config.json").read_text())
    shutil.rmtree(part)
    part.mkdir()
    names = ("bos_token", "eos_token", "unk_token", "pad_token")
    special = {name: config[name] for name in names}
    vocabulary = model["vocab"] | {
        token: len(model["vocab"]) + n
        for n, token in enumerate(dict.fromkeys(special.values()))
        if token not in model["vocab"]
    }
    (part / "vocab.json").write_text(json.dumps(vocabulary))
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    (part / "merges.txt").write_text(f"#version: 0.2\n{merges}")
    (part / "special_tokens_map.json").write_text(json.dumps(special))
    kept = {"model_max_length": config["model_max_length"], "tokenizer_class": "CLIPTokenizer"}
    (part / "tokenizer_config.json").write_text(json.dumps({**special, **kept}))


def _old_attention(part: Path) -> None:
    path = part / "diffusion_pytorch_model.safetensors"
    weights = {}
    for name, tensor in load_file(path).items():
        if "attentions" in name:
            for new, old in _OLD_NAMES.items():
                name = name.replace(f".{new}.", f".{old}.")
        weights[name] = tensor
    assert any(".proj_attn." in name for name in weights)
    save_file(weights, path, metadata={"format": "pt"})


def _variants(part: Path) -> None:
    """Beside the weights: a pickle, half-precision copies and weights without averaging.

    Copies are made of other numbers, so that images tell if one of them was loaded.
    """
    [path] = part.glob("*.safetensors")
    other = {name: torch.zeros_like(tensor).half() for name, tensor in load_file(path).items()}
    for variant in ("fp16", "non_ema"):
        save_file(
            other, path.with_name(f"{path.stem}.{variant}.safetensors"), metadata={"format": "pt"}
        )
    stem = "pytorch_model" if path.stem == "model" else path.stem
    for suffix in ("bin", "fp16.bin"):
        (part / f"{stem}.{suffix}").write_bytes(b"a pickle that nobody may open")


def _documents(directory: Path, *more: str) -> None:
    for name in ("README.md", ".gitattributes", *more):
        (directory / name).write_bytes(b"to be read by people")


def _edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
