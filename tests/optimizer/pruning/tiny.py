"""Tiny timm models with every parameter random, and schedules and images for them."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
from timm.layers import SwiGLUPacked  # type: ignore[attr-defined]
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from optimizer.schedule import Schedule

DEPTH = 4
PATCHES = 16
SIZES: dict[str, Any] = {
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 24,
    "depth": DEPTH,
    "num_heads": 3,
    "num_classes": 5,
}

# What each family of checkpoints asks of timm's class.
FORMS: dict[str, dict[str, Any]] = {
    "vit": {},
    "distilled": {"distilled": True},
    "deit3": {"init_values": 1e-6, "no_embed_class": True},
    "dinov2-registers": {"init_values": 1e-5, "reg_tokens": 4, "no_embed_class": True},
    "siglip": {"class_token": False, "global_pool": "map"},
    "qk-norm": {"qk_norm": True},
    "swiglu": {"mlp_layer": SwiGLUPacked, "mlp_ratio": 2.0, "act_layer": nn.SiLU},
    "registers-without-class": {"class_token": False, "reg_tokens": 2, "global_pool": "avg"},
    "clip": {"pre_norm": True},
    "no-prefix": {"class_token": False, "global_pool": "avg"},
}


def tiny(form: str = "vit", *, seed: int = 0, **options: Any) -> Any:
    """A model of 4 blocks, 24 features, 3 heads and 16 patches, in evaluation mode.

    Every parameter is random: at timm's own start LayerScale and position tables are so
    small that a mistake in either would not show.
    """
    chosen = FORMS[form] | options
    distilled = chosen.pop("distilled", False)
    model = (VisionTransformerDistilled if distilled else VisionTransformer)(**(SIZES | chosen))
    return randomised(model, seed=seed)


def randomised(model: nn.Module, *, seed: int = 0) -> Any:
    """Set every parameter at random, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = 0.3 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + noise if "norm" in name and name.endswith("weight") else noise)
    return model.eval()


def full_count(model: Any) -> int:
    """Tokens that reach the first block."""
    return int(model.patch_embed.num_patches + model.num_prefix_tokens)


def losing(model: Any, *lost: int) -> Schedule:
    """The schedule that loses so many tokens at each block."""
    full = full_count(model)
    tokens = tuple(full - total for total in accumulate(lost))
    return Schedule(tokens, full=full, prefix=model.num_prefix_tokens)


def images(batch: int = 3, *, size: int = 32, seed: int = 1) -> Tensor:
    """Random images, (batch, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, size, size, generator=generator)


def logits(model: Any, batch: Any) -> Tensor:
    """What the model answers, without gradients."""
    with torch.no_grad():
        answer: Tensor = model(batch)
    return answer


def features(model: Any, batch: Tensor) -> Tensor:
    """Every token after the last norm, without gradients."""
    with torch.no_grad():
        tokens: Tensor = model.forward_features(batch)
    return tokens


def anatomy(model: nn.Module) -> list[tuple[str, type, list[str], list[str], bool]]:
    """Everything about a model that `apply` could change but its numbers."""
    return [
        (
            name,
            type(part),
            list(vars(part)),
            [buffer for buffer, _ in part.named_buffers(recurse=False)],
            part.training,
        )
        for name, part in model.named_modules()
    ]
