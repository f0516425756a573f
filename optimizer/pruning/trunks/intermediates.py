"""Tokens after chosen blocks, as timm's `forward_intermediates` gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timm.models._features import feature_take_indices

from optimizer.errors import UnsupportedModelError
from optimizer.pruning.blocks.cutting import Cutting
from optimizer.pruning.trunks.walking import CutTrunk, refuse_mask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

__all__ = ["Intermediates"]


class Intermediates(CutTrunk):
    """A trunk that gives its intermediates, on the dense grid where that is asked for.

    timm reshapes tokens to a grid without looking, and folds missing ones into channels.
    Here "NCHW" first lays every patch in its place again (see
    `optimizer.pruning.trunks.restoring.restore`), and "NLC" gives the tokens that are left,
    an averaged token last among the patches.
    """

    patch_embed: Any

    def forward_intermediates(
        self,
        x: Any,
        indices: int | list[int] | None = None,
        return_prefix_tokens: bool = False,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
        output_dict: bool = False,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Any:
        """As timm's; see the class.

        Raises:
            UnsupportedModelError: a mask was given, or a grid is wanted of a last block
                that leaves no patch.
        """
        refuse_mask(attn_mask is not None or is_causal)
        if output_fmt not in ("NCHW", "NLC"):
            raise ValueError(f"output_fmt is {output_fmt!r}: must be 'NCHW' or 'NLC'")
        dense = output_fmt == "NCHW"
        take, last = feature_take_indices(len(self.blocks), indices)
        if dense:
            self._refuse_patchless(take)
        grid = self.grid_of(x) if dense else None
        taken, walk = [], None
        stop, fill = last + 1 if stop_early else None, dense or self.restores
        for index, walk in enumerate(self.steps(*self.enter(x), fill=fill, stop=stop)):
            if index in take:
                taken.append(self.norm_of(walk.dense if dense else walk.x, wanted=norm))
        assert walk is not None  # noqa: S101 (there is at least one block)
        prefix = [tokens[:, : self.prefix] for tokens in taken]
        patches = [tokens[:, self.prefix :] for tokens in taken]
        if grid is not None:
            patches = [_laid_out(tokens, grid) for tokens in patches]
        features = None if intermediates_only else self.features_of(walk, x)
        if output_dict:
            return _as_dict(patches, prefix if return_prefix_tokens else [], features)
        pairs = list(zip(patches, prefix, strict=True))
        wanted: list[Any] = pairs if return_prefix_tokens and self.prefix else patches
        return wanted if intermediates_only else (features, wanted)

    def norm_of(self, tokens: Tensor, *, wanted: bool) -> Tensor:
        """An intermediate through the last norm, where that is wanted and there is one."""
        norm = getattr(self, "norm", None) if wanted else None
        normed: Tensor = tokens if norm is None else norm(tokens)
        return normed

    def _refuse_patchless(self, take: Iterable[int]) -> None:
        """Behind a lossless last cut no patch has a state, so that no grid can be filled."""
        last = len(self.blocks) - 1
        block = self.blocks[last]
        if last in take and isinstance(block, Cutting) and block.rows is not None:
            raise UnsupportedModelError(
                f"block {last} leaves prefix tokens alone (a lossless last cut), so its "
                "intermediate is no grid: ask for other indices or output_fmt='NLC', or "
                "apply a schedule whose last block keeps patches"
            )

    def grid_of(self, x: Tensor) -> tuple[int, int]:
        """Rows and columns of patches that images have, (batch, channels, height, width)."""
        rows, columns = self.patch_embed.dynamic_feat_size(x.shape[-2:])
        return rows, columns


def _laid_out(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    """(batch, places, dim) to (batch, dim, rows, columns)."""
    batch, _, dim = patches.shape
    return patches.reshape(batch, *grid, dim).permute(0, 3, 1, 2).contiguous()


def _as_dict(
    patches: list[Tensor], prefix: list[Tensor], features: Tensor | None
) -> dict[str, Any]:
    found: dict[str, Any] = {"image_intermediates": patches}
    if prefix and prefix[0].shape[1]:
        found["image_intermediates_prefix"] = prefix
    if features is not None:
        found["image_features"] = features
    return found
