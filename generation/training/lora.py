"""Low-rank adaptation (Hu et al. 2022, arXiv 2106.09685) of the published models, through peft."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from diffusers.training_utils import cast_training_params
from peft import LoraConfig as PeftConfig
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from generation.engine.cards import LORA_NAME

_ATTENTION = ["to_k", "to_q", "to_v", "to_out.0"]
# The paper's: they give the counts of its Table 4.
LORA_TARGETS: dict[str, dict[str, list[str]]] = {
    "kandinsky": {"prior": _ATTENTION, "decoder": _ATTENTION},
    "flux": {
        "transformer": [
            *(f"attn.{name}" for name in _ATTENTION),
            *(f"attn.add_{name}_proj" for name in "kqv"),
            "attn.to_add_out",
            *(f"{block}.net.{layer}" for block in ("ff", "ff_context") for layer in ("0.proj", 2)),
        ]
    },
}


def train_part(
    model: torch.nn.Module,
    *,
    targets: list[str],
    rank: int | None,
    alpha: float | None,
    seed: int,
    frozen_dtype: torch.dtype,
) -> None:
    """Make a LoRA (or, without a rank, all weights) of ``model`` what is trained, in float32.

    ``alpha`` is the rank where None. The LoRA's first weights depend on ``seed`` alone.
    """
    if rank is None:
        model.requires_grad_(True).float()
        return
    # Module.to, as diffusers' own override warns of a cast even where nothing is lost
    torch.nn.Module.to(model.requires_grad_(False), dtype=frozen_dtype)
    torch.manual_seed(seed)
    model.add_adapter(
        PeftConfig(
            r=rank,
            lora_alpha=rank if alpha is None else alpha,  # type: ignore[arg-type]
            init_lora_weights="gaussian",
            target_modules=targets,
        )
    )
    cast_training_params(model, dtype=torch.float32)


def lora_parameters(model: torch.nn.Module) -> int:
    """Weights of the LoRA of ``model``."""
    return sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)


def save_lora(model: torch.nn.Module, directory: Path, dtype: torch.dtype) -> None:
    """Write the LoRA, with its alpha, as ``directory/pytorch_lora_weights.safetensors``.

    As diffusers' ``save_lora_adapter`` does, but equal weights give equal bytes: there, sets and
    several entries of metadata come in another order in every process.
    """
    config = model.peft_config["default"].to_dict()
    config["target_modules"] = sorted(config["target_modules"])
    weights = get_peft_model_state_dict(model, adapter_name="default")
    tensors = {name: tensor.to("cpu", dtype).contiguous() for name, tensor in weights.items()}
    directory.mkdir(parents=True, exist_ok=True)
    metadata = {LORA_ADAPTER_METADATA_KEY: json.dumps(config, indent=2, sort_keys=True)}
    save_file(tensors, directory / LORA_NAME, metadata=metadata)


def lora_card(rank: int, alpha: float | None, targets: dict[str, list[str]]) -> dict:
    """What a card says of a LoRA."""
    return {"rank": rank, "alpha": rank if alpha is None else alpha, "targets": targets}
