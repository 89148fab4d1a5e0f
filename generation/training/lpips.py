"""LPIPS-VGG (Zhang et al. 2018): distance of images in the features of a VGG-16."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torchvision.models import vgg16

from generation.engine.loading import CheckpointError

# Last layer of each of VGG-16's five blocks that is compared, and its channels.
LAYERS = {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}


class LPIPS(torch.nn.Module):
    """``lpips(a, b)``: mean distance of batches (n, 3, height, width) in [-1, 1]; a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg16().features.requires_grad_(False).eval()
        self.weights = torch.nn.ParameterList(
            torch.nn.Parameter(torch.ones(1, channels, 1, 1), requires_grad=False)
            for channels in LAYERS.values()
        )
        self.register_buffer("mean", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))

    @classmethod
    def from_file(cls, path: str | Path) -> LPIPS:
        """From safetensors with torchvision's ``features.*`` and lpips' ``lin<n>.model.1.weight``.

        Raises CheckpointError, naming the setting, when there is no such file or it holds
        something else.
        """
        model = cls()
        try:
            tensors = load_file(path)
            model.features.load_state_dict(
                {
                    name.removeprefix("features."): tensor
                    for name, tensor in tensors.items()
                    if name.startswith("features")
                }
            )
            for i, weight in enumerate(model.weights):
                weight.copy_(tensors[f"lin{i}.model.1.weight"])
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"lpips_weights is {path}, which can't be used: {type(error).__name__}: {error}. "
                "Give a safetensors file with VGG-16's features.* as torchvision names them and "
                "lin0.model.1.weight to lin4.model.1.weight as the package lpips does, or leave "
                "the setting out: the loss goes without."
            ) from error
        return model

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        both = (torch.cat([a, b]).float() - self.mean) / self.std
        distance = torch.zeros((), device=a.device)
        weights = iter(self.weights)
        for i, layer in enumerate(self.features[: max(LAYERS) + 1]):
            both = layer(both)
            if i in LAYERS:
                unit = both / (both.norm(dim=1, keepdim=True) + 1e-10)
                left, right = unit.chunk(2)
                distance = distance + ((left - right) ** 2 * next(weights)).sum(1).mean()
        return distance
