"""timm's models that cannot be cut, and why: named, so that nobody has to guess."""

from __future__ import annotations

__all__ = ["REASONS"]

_WINDOWS = "its attention runs in windows of a grid, which has no gaps"
_STAGES = "its stages halve a grid of tokens, which has no gaps"
_CONVOLUTIONS = "its blocks convolve a grid of tokens, which has no gaps"

REASONS: dict[str, str] = {
    "Xcit": "its attention is over channels and its blocks convolve the grid of tokens",
    "VisionTransformerSAM": _WINDOWS,
    "TNT": "each patch is also a sequence of its own, in a second stream of tokens",
    "CrossVit": "two streams of tokens of different lengths exchange their class tokens",
    "ConVit": "its attention takes the grid's side from the square root of the token count",
    "PoolingVisionTransformer": "it pools the grid of tokens between its stages",
    "VOLO": "its outlook attention slides over a grid of tokens",
    "SwinTransformer": _WINDOWS,
    "SwinTransformerV2": _WINDOWS,
    "SwinTransformerV2Cr": _WINDOWS,
    "Hiera": "it pools tokens between its stages by their place in mask units",
    "HieraDet": _WINDOWS,
    "MultiScaleVit": _STAGES,
    "PyramidVisionTransformerV2": _STAGES,
    "Twins": _WINDOWS,
    "Nest": "its blocks see the grid of tokens in blocks of their own",
    "GlobalContextVit": _WINDOWS,
    "DaVit": _WINDOWS,
    "LevitDistilled": _STAGES,
    "Levit": _STAGES,
    "CoaT": _CONVOLUTIONS,
    "MaxxVit": _WINDOWS,
    "MlpMixer": "its layers mix tokens by weights of one fixed number of tokens",
}
