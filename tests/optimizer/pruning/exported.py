"""One architecture of each family, cut, and the ONNX files that are made of them once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from optimizer.exporting import export_model
from optimizer.parity import Parity
from optimizer.pruning import apply

from .small import losing, size_of, small
from .tiny import images

FAMILIES: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is asked of timm, the score, and what becomes of the tokens that are dropped
    "vit_tiny_patch16_224": ({}, "pomt", "average"),
    "vit_base_patch16_rpn_224": ({}, "key-norm", "drop"),
    "vit_base_patch16_siglip_224": ({}, "cls", "merge"),
    "deit_tiny_distilled_patch16_224": ({}, "received-attention", "average"),
    "vit_small_patch14_reg4_dinov2": ({}, "value-norm", "merge"),
    "vit_pwee_patch16_reg1_gap_256": ({}, "cls", "average"),
    "vit_dwee_patch16_reg1_gap_256": ({}, "pomt", "drop"),
    "vit_base_patch16_18x2_224": ({}, "cls", "average"),
    "vit_tiny_r_s16_p8_224": ({}, "cls", "average"),
    "eva02_tiny_patch14_224": ({}, "pomt", "average"),
    "vit_small_patch16_rope_224": ({}, "cls", "drop"),
    "vit_small_patch16_rope_mixed_ape_224": ({}, "cls", "average"),
    "vit_small_patch16_dinov3": ({}, "key-norm", "merge"),
    "beit_base_patch16_224": ({}, "pomt", "average"),
    "vit_relpos_small_patch16_224": ({}, "cls", "drop"),
    "vit_srelpos_small_patch16_224": ({}, "pomt", "merge"),
    "cait_xxs24_224": ({}, "pomt", "average"),
    "naflexvit_base_patch16_map": ({}, "cls", "average"),
    "qwen3_vit_88m_merge": ({}, "cls", "average"),
    "deepseek_vit_412m_align": ({}, "value-norm", "drop"),
}

CANNOT: dict[tuple[str, str], str] = {
    # what a family cannot do, named and with its reason; whatever is not here, is tested
    ("gemma4_vit_167m", "onnx"): "torch's exporter loses the limits of its clamps",
}


def cut(name: str) -> tuple[Any, Tensor]:
    """A small model of two blocks, each of which drops tokens, and images for it."""
    options, score, dropped = FAMILIES.get(name, ({}, "cls", "average"))
    model, batch = small(name, depth=2, **options), images(2, size=size_of(name))
    return apply(model, losing(model, batch, 4, 5), score, dropped), batch


@cache
def exported(name: str, folder: Path) -> tuple[Path, tuple[Parity, ...]]:
    """The ONNX file of `cut(name)`, and how near its answers are."""
    model, batch = cut(name)
    path = folder / f"{name}.onnx"
    return path, export_model(model, path, batch=2, image=tuple(batch.shape[1:]))  # type: ignore[arg-type]
