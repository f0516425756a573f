"""The model classes that can be cut, and what they refuse once they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer

from optimizer.errors import UnsupportedModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "CUT_MODELS",
    "CutVisionTransformer",
    "CutVisionTransformerDistilled",
    "original_model",
]


class _NoDenseGrid:
    """Refuse to lay tokens out as an image: a cut model no longer has one per place.

    timm reshapes them without looking, and folds missing tokens into channels.
    """

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        return_prefix_tokens: bool = False,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        *rest: object,
        **options: object,
    ) -> Any:
        """As timm's, for ``output_fmt="NLC"``.

        Raises:
            UnsupportedModelError: the intermediates are wanted as NCHW, timm's default.
        """
        if output_fmt == "NCHW":
            raise UnsupportedModelError(
                "output_fmt 'NCHW' needs every patch, and this model drops some: "
                "ask for 'NLC', or undo(model) first"
            )
        timm: Any = super()
        return timm.forward_intermediates(
            x, indices, return_prefix_tokens, norm, stop_early, output_fmt, *rest, **options
        )


class CutVisionTransformer(_NoDenseGrid, VisionTransformer):
    """A timm `VisionTransformer` of which some blocks drop tokens."""


class CutVisionTransformerDistilled(_NoDenseGrid, VisionTransformerDistilled):
    """A timm `VisionTransformerDistilled` of which some blocks drop tokens."""


# Exactly these classes: a subclass may do anything with the sequence.
CUT_MODELS: dict[type[nn.Module], type[nn.Module]] = {
    VisionTransformer: CutVisionTransformer,
    VisionTransformerDistilled: CutVisionTransformerDistilled,
}


def original_model(cut_model: type[nn.Module]) -> type[nn.Module]:
    """The timm class that a model has again after `undo`; itself if it was never cut."""
    return next((timm for timm, cut in CUT_MODELS.items() if cut is cut_model), cut_model)
