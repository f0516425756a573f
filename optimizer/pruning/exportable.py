"""What an exporter or a runtime cannot take of a model, set right on a twin of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from optimizer.errors import ExportError
from optimizer.pruning.trunks.registry import trunk_of
from optimizer.pruning.twinning import twin

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["UNEXPORTABLE", "UNFUSED", "exportable"]

UNEXPORTABLE: dict[str, str] = {
    "Gemma4VitEncoder": "torch's ONNX exporter joins the two clamps between its layers into "
    "one and loses its limits, with and without a schedule, so that no runtime loads the file",
}
"""timm's classes that can be cut and not be written as an ONNX file, and why."""

UNFUSED: dict[str, str] = {
    "Beit": "where fused attention has a bias that is learned, and gradients are on, torch's "
    "exporter takes it apart into another memory layout than the view that follows it has",
    "VisionTransformerRelPos": "as Beit",
}
"""timm's classes whose attention is exported as products and a softmax, and why."""


def exportable(model: nn.Module, images: Tensor) -> nn.Module:
    """A twin of a model, in evaluation mode, that an exporter takes for these images.

    It shares the model's weights, and answers as the model does but for rounding. Where an
    exporter takes no fused attention, the twin has none; where position tables are
    resampled to the image's grid in each pass, the twin holds them so: their sizes in the
    file are fixed, and runtimes resample otherwise than torch.

    Args:
        model: cut or not; left as it is.
        images: what it is to be exported for.

    Raises:
        ExportError: the model is one of `UNEXPORTABLE`.
    """
    names = [kind.__name__ for kind in type(trunk_of(model)).__mro__]
    for name in names:
        if name in UNEXPORTABLE:
            raise ExportError(
                f"found timm's {name}, which cannot be written as an ONNX file: "
                f"{UNEXPORTABLE[name]}; run it by torch"
            )
    other = twin(model).eval()
    parts: list[Any] = list(other.modules())
    for part in parts:
        if UNFUSED.keys() & set(names) and hasattr(part, "fused_attn"):
            part.fused_attn = False
        if getattr(part, "pos_embed_type", None) == "learned":  # NaFlexVit's
            _settle_positions(part, images)
    return other


def _settle_positions(embeds: Any, images: Tensor) -> None:
    """Put the position table that these images get in the place of the one it comes from."""
    grid = tuple(embeds.dynamic_feat_size(images.shape[-2:]))
    table = embeds.pos_embed.new_zeros(1, grid[0] * grid[1], embeds.embed_dim)
    with torch.no_grad():
        embeds._apply_learned_pos_embed(table, grid_size=grid)  # noqa: SLF001 (timm's one name)
    embeds._parameters = dict(embeds._parameters)  # noqa: SLF001 (a twin's is its original's)
    embeds.pos_embed = nn.Parameter(table.reshape(1, *grid, -1), requires_grad=False)
