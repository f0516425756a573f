"""How far one model's answers are from another's, image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["divergence_name", "divergences"]


def divergence_name(model: nn.Module) -> str:
    """What answers are compared by, one of `optimizer.fidelity.claim.DIVERGENCES`."""
    return "kl" if int(getattr(model, "num_classes", 0) or 0) > 1 else "cosine"


def divergences(dense: Tensor, cut: Tensor, *, name: str) -> tuple[float, ...]:
    """The divergence of each image's answer from the uncut model's.

    Args:
        dense: answers of the uncut model, (batch, width).
        cut: of the cut one, likewise.
        name: "kl": the Kullback-Leibler divergence of the softmax of one from the other's,
            in nats; "cosine": one less the cosine of the two.

    Returns:
        Shape (batch,), none negative: what rounding leaves below zero is zero.
    """
    first, second = dense.double(), cut.double()
    if name == "kl":
        logs = first.log_softmax(dim=1)
        apart = (logs.exp() * (logs - second.log_softmax(dim=1))).sum(dim=1)
    else:
        apart = 1 - torch.nn.functional.cosine_similarity(first, second, dim=1)
    return tuple(apart.clamp_min(0.0).tolist())
