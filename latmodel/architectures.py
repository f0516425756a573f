"""Describe any plain timm vision transformer as a workload, without its weights."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from latmodel.errors import UnknownModelError, WorkloadError
from latmodel.workload import Workload

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_model", "describe"]


def build_model(name: str, **options: Any) -> nn.Module:
    """Create a timm model by name, in evaluation mode, with random weights by default.

    Args:
        name: timm's name, with or without a pretrained tag.
        options: passed to `timm.create_model`.

    Raises:
        UnknownModelError: timm has no model of that name; names the near ones.
    """
    import timm  # noqa: PLC0415 (seconds to import; only where a model is touched)

    if not timm.is_model(name):
        base = name.split(".", maxsplit=1)[0]
        near = difflib.get_close_matches(base, timm.list_models(), n=3, cutoff=0.5)
        advice = f"did you mean {', '.join(near)}?" if near else "see timm.list_models()"
        raise UnknownModelError(f"timm {timm.__version__} has no model {name!r}; {advice}")
    try:
        model: nn.Module = timm.create_model(name, **options)
    except RuntimeError as error:  # timm's, for a pretrained tag that it does not know
        base = name.split(".", maxsplit=1)[0]
        raise UnknownModelError(
            f"timm {timm.__version__} has no model {name!r}: {error}; did you mean {base}?"
        ) from None
    return model.eval()


def describe(model: nn.Module | str, *, batch: int = 1, dtype: str = "fp32") -> Workload:
    """The workload that a timm model is.

    Args:
        model: a timm model, or its name; a name is built on the meta device, so that no
            weight is allocated.
        batch: images per call.
        dtype: one of `latmodel.workload.DTYPES`.

    Raises:
        UnknownModelError: timm has no model of that name.
        WorkloadError: the model is no plain vision transformer with ordinary blocks.
    """
    import torch  # noqa: PLC0415 (as above)

    if isinstance(model, str):
        name = model.split(".", maxsplit=1)[0]
        with torch.device("meta"):
            return _describe(build_model(model), name, batch, dtype)
    config = getattr(model, "pretrained_cfg", None) or {}
    name = config.get("architecture") or type(model).__name__
    return _describe(model, name, batch, dtype)


def _describe(model: nn.Module, name: str, batch: int, dtype: str) -> Workload:
    # The classes that timm names; a subclass, such as a cut model, is one of them too.
    from timm.layers import PatchEmbed  # type: ignore[attr-defined]  # noqa: PLC0415
    from timm.models.vision_transformer import VisionTransformer  # noqa: PLC0415

    if not isinstance(model, VisionTransformer):
        raise WorkloadError(
            f"{name} is a {type(model).__name__}: only plain vision transformers "
            "(timm's VisionTransformer: ViT, DeiT, DINOv2, CLIP, SigLIP ...) keep one "
            "sequence of tokens from block to block that can be cut"
        )
    embed: Any = model.patch_embed
    if not isinstance(embed, PatchEmbed):
        raise WorkloadError(
            f"{name} embeds its patches by a {type(embed).__name__}: a convolutional stem's "
            "latency does not follow from token counts"
        )
    shapes = [_shapes(block, name) for block in model.blocks]
    if not shapes or any(other != shapes[0] for other in shapes):
        raise WorkloadError(
            f"{name} has {len(shapes)} blocks of {len(set(map(str, shapes)))} shapes: there "
            "must be at least one block, and all must be alike"
        )
    kernel = embed.proj.kernel_size
    return Workload(
        model=name,
        depth=len(shapes),
        dim=model.embed_dim,
        tokens=embed.num_patches + model.num_prefix_tokens,
        prefix=model.num_prefix_tokens,
        patch_inputs=embed.proj.in_channels * kernel[0] * kernel[1],
        classes=model.num_classes,
        batch=batch,
        dtype=dtype,
        **shapes[0],
    )


def _shapes(block: Any, name: str) -> dict[str, Any]:
    """What a block's latency depends on, by the names of `Workload`."""
    from timm.models import vision_transformer as vit  # noqa: PLC0415

    attention: Any = getattr(block, "attn", None)
    # timm imports its Attention there, in every version since 1.0.
    plain = (vit.Block, vit.Attention)  # type: ignore[attr-defined]
    if not (isinstance(block, plain[0]) and isinstance(attention, plain[1])):
        raise WorkloadError(
            f"{name} has blocks of {type(block).__name__} with {type(attention).__name__}: "
            "only timm's ordinary Block with Attention, one after the other with an MLP, can "
            "be cut between the two"
        )
    parts: Any = block
    width, gated = _mlp(parts.mlp, name)
    return {
        "heads": attention.num_heads,
        "head_dim": attention.qkv.out_features // (3 * attention.num_heads),
        "mlp_width": width,
        "gated_mlp": gated,
        "layer_scale": _acts(parts.ls1),
        "qk_norm": _acts(attention.q_norm),
    }


def _acts(module: nn.Module) -> bool:
    """Whether an optional layer is there: timm puts an Identity where it is not."""
    return type(module).__name__ != "Identity"


def _mlp(mlp: Any, name: str) -> tuple[int, bool]:
    """Hidden width of an MLP (of one half where gated), and whether it is gated."""
    kind = type(mlp).__name__
    if kind == "Mlp":
        return int(mlp.fc1.out_features), False
    if kind in ("GluMlp", "SwiGLUPacked"):
        return int(mlp.fc1.out_features) // 2, True
    if kind == "SwiGLU":
        return int(mlp.fc1_x.out_features), True
    raise WorkloadError(f"{name} has an MLP of {kind}: known are Mlp, GluMlp and SwiGLU")
