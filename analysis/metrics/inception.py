"""Inception-v3 as published for FID (2015), whose layers differ from torchvision's.

Average pools within blocks leave out the padding, and the last block takes a maximum instead. With
the weights of that network the features are those that FID and KID are defined on.
"""

from functools import partial

import torch
from torch.nn import functional as F
from torchvision.models import inception as published

CLASSES = 1008


class _Repooled:
    """The block's last branch anew, with another pool."""

    pool = staticmethod(
        partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
    )

    def _forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [*super()._forward(x)[:-1], self.branch_pool(self.pool(x))]  # type: ignore[misc,attr-defined]


class _A(_Repooled, published.InceptionA):
    pass


class _C(_Repooled, published.InceptionC):
    pass


class _E(_Repooled, published.InceptionE):
    pass


def fid_inception() -> torch.nn.Module:
    """The network with random weights; images of shape (n, 3, 299, 299) to logits (n, 1008)."""
    model = published.Inception3(
        num_classes=CLASSES,
        aux_logits=False,
        init_weights=False,
        inception_blocks=[
            published.BasicConv2d, _A, published.InceptionB, _C, published.InceptionD, _E,
            published.InceptionAux,
        ],
    )  # fmt: skip
    model.Mixed_7c.pool = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
    return model
