"""timm's `NaFlexVit`: images, or patches of images of different sizes with padding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from timm.models.naflexvit import NaFlexVit, create_attention_mask

from optimizer.errors import UnsupportedModelError
from optimizer.pruning.trunks.beside import Beside, Rope
from optimizer.pruning.trunks.family import Shape, TrunkFamily
from optimizer.pruning.trunks.intermediates import Intermediates
from optimizer.pruning.trunks.padded import real_tokens, refuse_padded, still_real
from optimizer.pruning.trunks.walking import refuse_mask

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.trail import Trail
    from optimizer.pruning.trunks.walking import Walk

__all__ = ["FAMILIES", "CutNaFlexVit"]


@dataclass(frozen=True, slots=True)
class _Masked(Beside):
    """Rotations, where there are any, and a mask of padding, where there is any.

    Attributes:
        rope: the rotations; None for blocks that take none.
        valid: which of all patches are no padding, (batch, patches) bool.
        mask: options of timm's mask: prefix, symmetry, dtype.
        here: which of the patches that are left are none.
    """

    rope: Rope | None
    valid: Tensor | None
    mask: dict[str, Any]
    here: Tensor | None

    def follow(self, trail: Trail) -> _Masked:
        """See `Beside.follow`."""
        rope = None if self.rope is None else self.rope.follow(trail)
        return replace(self, rope=rope, here=still_real(self.valid, trail))

    def of_block(self, index: int, *, cutting: bool) -> dict[str, Any]:
        """See `Beside.of_block`."""
        sides: dict[str, Any] = {}
        if self.rope is not None:
            sides = self.rope.of_block(index, cutting=cutting)
        if self.here is None:
            return sides
        mask = create_attention_mask(self.here, **self.mask)
        if not cutting:
            return sides | {"attn_mask": mask}
        real = real_tokens(self.here, self.mask["num_prefix_tokens"])
        return sides | {"mask": mask, "real": real}


class CutNaFlexVit(Intermediates, NaFlexVit):
    """A timm `NaFlexVit` of which some blocks drop tokens.

    Padding is dropped first, and never averaged or merged into anything.
    """

    def enter(self, x: Any) -> tuple[Tensor, Beside]:
        """See `CutTrunk.enter`; images, or a dict of patches as `forward` takes it."""
        given = x if isinstance(x, dict) else {"patches": x}
        refuse_mask(given.get("attn_mask") is not None)
        valid, places = given.get("patch_valid"), given.get("patch_coord")
        if valid is not None:
            refuse_padded(self.blocks)
        embeds: dict[str, Any] = self._forward_embeds(given["patches"], places, valid, None)
        turns, valid = embeds["rope_embeds"], embeds["patch_valid"]
        mixed = self.rope_is_mixed
        # Some of timm's are an iterator over blocks.
        turns = list(turns) if mixed and turns is not None and places is not None else turns
        mask = {
            "num_prefix_tokens": self.num_prefix_tokens,
            "symmetric": not self.use_key_only_attn_mask,
            "q_len": 1 if self.use_key_only_attn_mask else None,
            "dtype": embeds["patches"].dtype,
        }
        rope = None if turns is None else Rope(turns, mixed)
        return embeds["patches"], _Masked(rope, valid, mask, valid)

    def leave(self, x: Tensor) -> Tensor:
        """See `CutTrunk.leave`."""
        features: Tensor = self.norm(x)
        return features

    def sizes_at_start(self, beside: Beside) -> Tensor | None:
        """Padding stands for no patch."""
        valid = beside.valid if isinstance(beside, _Masked) else None
        return None if valid is None else valid.float()

    def forward_features(  # type: ignore[override]
        self,
        patches: Any,
        patch_coord: Tensor | None = None,
        patch_valid: Tensor | None = None,
        attn_mask: Tensor | None = None,
    ) -> Any:
        """As timm's, of the tokens that are left.

        Raises:
            UnsupportedModelError: a mask of the caller's own was given, or padding is to be
                averaged.
        """
        refuse_mask(attn_mask is not None)
        given = {"patches": patches, "patch_coord": patch_coord, "patch_valid": patch_valid}
        walk = self.walk(*self.enter(given))
        if patch_coord is None:
            return self.leave(walk.x)
        return {
            "patches": self.leave(walk.x),
            "patch_valid": still_real(patch_valid, walk.trail),
        }

    def features_of(self, walk: Walk, x: Any) -> Any:  # noqa: ARG002
        """See `CutTrunk.features_of`."""
        return self.leave(walk.x)

    def forward_intermediates(  # type: ignore[override]
        self,
        x: Any,
        indices: int | list[int] | None = None,
        return_prefix_tokens: bool = False,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
        output_dict: bool = False,
        patch_coord: Tensor | None = None,
        patch_valid: Tensor | None = None,
        attn_mask: Tensor | None = None,
    ) -> Any:
        """As timm's; see `Intermediates`.

        Raises:
            UnsupportedModelError: a dict is wanted of images with padding, whose one
                `patch_valid` cannot fit intermediates of different lengths.
            ValueError: a dense grid is wanted of patches, as by timm.
        """
        if patch_coord is not None and not isinstance(x, dict):
            x = {"patches": x, "patch_coord": patch_coord, "patch_valid": patch_valid}
        if isinstance(x, dict) and output_dict:
            raise UnsupportedModelError(
                "output_dict holds one patch_valid for all intermediates, and these differ "
                "in length: ask without it, or undo(model) first"
            )
        return super().forward_intermediates(
            x,
            indices,
            return_prefix_tokens,
            norm,
            stop_early,
            output_fmt,
            intermediates_only,
            output_dict,
            attn_mask,
        )

    def grid_of(self, x: Any) -> tuple[int, int]:
        """Rows and columns of patches of images."""
        if isinstance(x, dict):
            raise ValueError(  # noqa: TRY004 (timm's own)
                "output_fmt is 'NCHW' and the input is patches, whose grids differ: use 'NLC'"
            )
        rows, columns = self.embeds.dynamic_feat_size(x.shape[-2:])
        return rows, columns


def _shape(trunk: Any) -> Shape:
    # It takes images of any size.
    return Shape(None, int(trunk.num_prefix_tokens), bool(trunk.has_class_token))


FAMILIES = (TrunkFamily(NaFlexVit, CutNaFlexVit, _shape),)
