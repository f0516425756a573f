"""Describe any plain timm vision transformer as a workload, without its weights."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from latmodel.errors import UnknownModelError, WorkloadError
from latmodel.workload import Workload

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_model", "describe", "reads_prefix_only"]


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


# Of each timm trunk: its blocks and their attention, and the kind of workload they make.
_EVA = {
    ("EvaBlock", "EvaAttention"): "rotary",
    ("EvaBlock", "AttentionRope"): "rotary",
    ("EvaBlockPostNorm", "EvaAttention"): "rotary",
    ("EvaBlockPostNorm", "AttentionRope"): "rotary",
}
_KINDS: dict[str, dict[tuple[str, str], str]] = {
    "VisionTransformer": {
        ("Block", "Attention"): "plain",
        ("Block", "DiffAttention"): "differential",
        ("ResPostBlock", "Attention"): "reordered",
    },
    "Eva": _EVA,
    "Beit": {("Block", "Attention"): "biased"},
    "VisionTransformerRelPos": {
        ("RelPosBlock", "RelPosAttention"): "biased",
        ("ResPostRelPosBlock", "RelPosAttention"): "biased",
    },
    "NaFlexVit": {("Block", "Attention"): "flexible"} | dict.fromkeys(_EVA, "flexible"),
    "Qwen3VitEncoder": _EVA,
    "DeepseekVitEncoder": {("DeepseekVitBlock", "AttentionRope"): "rotary"},
    "Gemma4VitEncoder": {("Gemma4Block", "Gemma4Attention"): "sandwich"},
}

# Blocks that can be cut and still cannot be planned.
_UNPLANNED = {
    "LayerScaleBlock": "its attention mixes the maps of its heads, and class attention "
    "follows the blocks: no operator here is either",
    **dict.fromkeys(
        ("ParallelScalingBlock", "DiffParallelScalingBlock", "ParallelThingsBlock"),
        "it is cut after the block, and a latency table has its cuts between attention and MLP",
    ),
}


def _describe(model: nn.Module, name: str, batch: int, dtype: str) -> Workload:
    trunk: Any = model
    known = _timm_class(trunk, _KINDS)
    if known is None:  # timm's classifiers on a vision encoder hold it by this name
        trunk = getattr(model, "encoder", model)
        known = _timm_class(trunk, _KINDS)
    blocks = list(getattr(trunk, "blocks", ()))
    if known is None:
        _refuse_unplanned(blocks, name)
        raise WorkloadError(
            f"{name} is a {type(model).__name__}: only plain vision transformers "
            "(timm's VisionTransformer, Eva, Beit and the like: ViT, DeiT, DINOv2, DINOv3, "
            "CLIP, SigLIP ...) keep one sequence of tokens from block to block that can be cut"
        )
    shapes = [_shapes(block, name, _KINDS[known]) for block in blocks]
    if not shapes or any(other != shapes[0] for other in shapes):
        raise WorkloadError(
            f"{name} has {len(shapes)} blocks of {len(set(map(str, shapes)))} shapes: there "
            "must be at least one block, and all must be alike"
        )
    if shapes[0]["kind"] == "rotary" and getattr(trunk, "rope", None) is None:
        shapes[0]["kind"] = "reordered"
    patches, patch_inputs = _patches(trunk, getattr(model, "pretrained_cfg", None), name)
    prefix = _prefix(trunk)
    return Workload(
        model=name,
        depth=len(shapes),
        dim=trunk.embed_dim,
        tokens=patches + prefix,
        prefix=prefix,
        patch_inputs=patch_inputs,
        classes=int(getattr(model, "num_classes", 0)),
        batch=batch,
        dtype=dtype,
        prefix_head=reads_prefix_only(model),
        **shapes[0],
    )


def reads_prefix_only(model: nn.Module) -> bool:
    """Whether the head of a timm model reads the tokens before the patches and no others.

    So do a class token's and a distillation token's; a mean and an attention pool read the
    patches, and a model without pooling gives them all away.
    """
    if _timm_class(model, _KINDS) is None:  # its head, if any, is behind a vision encoder
        return False
    pool, attention = getattr(model, "global_pool", ""), getattr(model, "attn_pool", None)
    return pool == "token" and attention is None and bool(_prefix(model))


def _prefix(trunk: Any) -> int:
    return int(getattr(trunk, "num_prefix_tokens", 0))


def _timm_class(module: object, names: Iterable[str]) -> str | None:
    """The class of timm's that this is one of, by name; a cut model's is a base of it."""
    for base in type(module).__mro__:
        if base.__module__.startswith("timm.") and base.__name__ in names:
            return base.__name__
    return None


def _patches(trunk: Any, config: dict[str, Any] | None, name: str) -> tuple[int, int]:
    """Patches of an image, and the numbers in one."""
    embed: Any = getattr(trunk, "patch_embed", None)
    kind = type(embed).__name__
    if kind == "PatchEmbed":
        kernel = embed.proj.kernel_size
        return embed.num_patches, embed.proj.in_channels * kernel[0] * kernel[1]
    if embed is not None and kind != "Gemma4PatchEmbed":
        raise WorkloadError(
            f"{name} embeds its patches by a {kind}: a convolutional stem's latency does not "
            "follow from token counts"
        )
    # These take images of any size: the one that timm trained them at counts.
    channels, height, width = (config or {}).get("input_size", (0, 0, 0))
    if not height:
        raise WorkloadError(
            f"{name} takes images of any size and timm names none for it: its token count is "
            "not known; create it by timm.create_model"
        )
    rows, columns = trunk.get_patch_size()
    return (height // rows) * (width // columns), channels * rows * columns


def _refuse_unplanned(blocks: list[Any], name: str) -> None:
    for block in blocks:
        reason = _UNPLANNED.get(_timm_class(block, _UNPLANNED) or "")
        if reason is not None:
            raise WorkloadError(
                f"{name} has blocks of {type(block).__name__}, which can be cut but not "
                f"planned: {reason}"
            )


def _shapes(block: Any, name: str, kinds: dict[tuple[str, str], str]) -> dict[str, Any]:
    """What a block's latency depends on, by the names of `Workload`."""
    _refuse_unplanned([block], name)
    attention: Any = getattr(block, "attn", None)
    blocks, attentions = {pair[0] for pair in kinds}, {pair[1] for pair in kinds}
    pair = (_timm_class(block, blocks) or "", _timm_class(attention, attentions) or "")
    if pair not in kinds:
        allowed = ", ".join(f"{one} with {other}" for one, other in kinds)
        raise WorkloadError(
            f"{name} has blocks of {type(block).__name__} with {type(attention).__name__}: "
            f"known of this model are timm's {allowed}"
        )
    heads = attention.num_heads
    if getattr(attention, "num_kv_heads", heads) != heads:
        raise WorkloadError(
            f"{name} has {heads} heads on {attention.num_kv_heads} keys and values: no "
            "operator here shares them"
        )
    qkv = getattr(attention, "qkv", None)
    width, gated = _mlp(block.mlp, name)
    return {
        "heads": heads,
        "head_dim": attention.head_dim if qkv is None else qkv.out_features // (3 * heads),
        "mlp_width": width,
        "gated_mlp": gated,
        "layer_scale": _acts(getattr(block, "ls1", None))
        or getattr(block, "gamma_1", None) is not None,
        "qk_norm": _acts(getattr(attention, "q_norm", None)),
        "kind": kinds[pair],
    }


def _acts(module: nn.Module | None) -> bool:
    """Whether an optional layer is there: timm puts an Identity where it is not."""
    return module is not None and type(module).__name__ != "Identity"


def _mlp(mlp: Any, name: str) -> tuple[int, bool]:
    """Hidden width of an MLP (of one half where gated), and whether it is gated."""
    kind = type(mlp).__name__
    if kind == "Mlp":
        return int(mlp.fc1.out_features), False
    if kind in ("GluMlp", "SwiGLUPacked"):
        return int(mlp.fc1.out_features) // 2, True
    if kind == "SwiGLU":
        return int(mlp.fc1_x.out_features), True
    if kind == "Gemma4GatedMlp":
        return int(mlp.gate_proj.linear.out_features), True
    raise WorkloadError(f"{name} has an MLP of {kind}: known are Mlp, GluMlp and SwiGLU")
