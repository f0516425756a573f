"""Two models' answers to the same images, image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from optimizer.errors import EvaluationError
from optimizer.pruning.trunks.registry import trunk_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from optimizer.images.batch import Batch

__all__ = ["FEW", "compare_features", "compare_logits", "require_numbers"]

FEW = 5
"""A label among as many of the likeliest classes counts for top-5."""


def compare_logits(dense: Tensor, cut: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
    """What is asked of each image's logits.

    Args:
        dense: of the uncut model, (batch, classes).
        cut: of the cut one, the same shape.
        labels: (batch,) int64, or None.

    Returns:
        By name, (batch,): "agrees" bool; "kl" float64, the Kullback-Leibler divergence of the
        cut model's classes from the uncut one's, in nats; and with labels "dense1", "dense5",
        "cut1" and "cut5" bool, whether the label is among the likeliest.
    """
    dense, cut = dense.double().cpu(), cut.double().cpu()
    likely, found = dense.log_softmax(dim=1), cut.log_softmax(dim=1)
    rows = {
        "agrees": dense.argmax(dim=1) == cut.argmax(dim=1),
        "kl": (likely.exp() * (likely - found)).sum(dim=1),
    }
    if labels is not None:
        for name, logits in (("dense", dense), ("cut", cut)):
            best = logits.topk(min(FEW, logits.shape[1]), dim=1).indices
            hit = best == labels[:, None]
            rows |= {f"{name}1": hit[:, 0], f"{name}5": hit.any(dim=1)}
    return rows


def compare_features(dense: Tensor, cut: Tensor, model: nn.Module) -> dict[str, Tensor]:
    """What is asked of each image's features, where a model has no classes.

    Args:
        dense: of the uncut model, (batch, features), or before pooling (batch, tokens,
            features) or (batch, features, height, width).
        cut: of the cut one, with as many tokens as it keeps.
        model: the uncut one, which tells what pools its tokens: the class token where there
            is one, else their mean.

    Returns:
        "cosine", (batch,) float64, of the angle between both.
    """
    trunk: Any = trunk_of(model)
    with_class = getattr(trunk, "cls_token", None) is not None
    prefix = int(getattr(trunk, "num_prefix_tokens", 0))

    def pooled(features: Tensor) -> Tensor:
        features = features.double().cpu()
        if features.ndim == 4:
            return features.mean(dim=(2, 3))
        if features.ndim == 3:
            return features[:, 0] if with_class else features[:, prefix:].mean(dim=1)
        return features

    return {"cosine": torch.cosine_similarity(pooled(dense), pooled(cut), dim=1)}


def require_numbers(answers: Tensor, whose: str, batch: Batch) -> None:
    """Refuse answers that compare with nothing, since a comparison with NaN tells nothing.

    Raises:
        EvaluationError: one is infinite or no number.
    """
    broken = ~answers.isfinite().flatten(1).all(dim=1)
    if bool(broken.any()):
        place = int(broken.nonzero()[0, 0])
        raise EvaluationError(
            f"the {whose} model's answer to image {place} of batch {batch.number} is not "
            f"finite (dtype {answers.dtype}): plan for another dtype, or give other weights"
        )
