"""Where the tokens of a shortened sequence came from: what travels with the activation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Decision", "Trail"]


class Decision(NamedTuple):
    """What one cut decided, for each image of the batch.

    Attributes:
        kept: positions kept among the patches that reached the cut, rising, (batch, kept).
        gone: positions of the others, (batch, lost); none where nobody asked for them.
        filling: (batch, lost, dim), the states of the others as they were dropped; None
            where something that stays stands for them.
        target: for each of the others, which of the kept it was merged into, (batch,
            lost); None where nothing was merged.
        sizes: patches that each kept one stands for, (batch, kept) float32; likewise.
    """

    kept: Tensor
    gone: Tensor
    filling: Tensor | None = None
    target: Tensor | None = None
    sizes: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Trail:
    """Where on the full grid the patches of a sequence lie.

    A value, made anew after each cut by the loop over the blocks; nothing keeps it.

    Attributes:
        positions: places on the grid, (batch, patches) int64; None while all are there.
        averaged: whether an averaged token stands at the end, for all that are missing.
        sizes: patches that each patch stands for, (batch, patches); None for one each.
        represented: patches that the averaged token stands for.

    >>> start = Trail()
    >>> once = start.after(Decision(torch.tensor([[0, 2, 3]]), torch.tensor([[1]])))
    >>> once.after(Decision(torch.tensor([[1, 2]]), torch.tensor([[0]]))).positions
    tensor([[2, 3]])
    """

    positions: Tensor | None = None
    averaged: bool = False
    sizes: Tensor | None = None
    represented: int = 0

    def after(
        self, decision: Decision, *, averaged: bool = False, represented: int = 0
    ) -> Trail:
        """The trail once a cut has decided."""
        kept = decision.kept
        positions = kept if self.positions is None else self.positions.gather(1, kept)
        return Trail(positions, averaged, decision.sizes, represented)

    def log_sizes(self, *, prefix: int) -> Tensor:
        """What attention adds to the logits of each key that stands for several patches.

        A softmax then weighs it as often as the patches that it stands for.

        Args:
            prefix: tokens at the front, each of which stands for itself.

        Returns:
            (batch, 1, 1, tokens) float32: the logarithm of each token's size.

        Source:
            Proportional attention: ToMe, Bolya et al. 2023, arXiv:2210.09461, equation 2.
        """
        assert self.positions is not None  # noqa: S101 (asked only behind a cut)
        # Not len(): an exporter would take the number of images for fixed.
        batch = self.positions.shape[0]
        ones = torch.zeros_like(self.positions, dtype=torch.float32)
        parts = [ones.new_zeros(batch, prefix)] if prefix else []
        parts.append(ones if self.sizes is None else self.sizes.float().log())
        if self.averaged:
            parts.append(ones.new_full((batch, 1), math.log(self.represented)))
        return torch.cat(parts, dim=1)[:, None, None, :]

    def rows(self, table: Tensor) -> Tensor:
        """What belongs to the tokens, of a table with one row for each place on the grid.

        The averaged token stands at every place that is missing, so its row is the mean of
        their rows: rotations and biases enter the attention's logits linearly, so its
        logit is the mean of those it would have at each.

        Args:
            table: (places, width), (heads, places, width), or with the batch before heads.

        Returns:
            (batch, heads or 1, tokens, width); the table itself where none is missing.
        """
        if self.positions is None:
            return table
        rows = _rows(table, self.positions)
        while table.ndim < 4:
            table = table.unsqueeze(0)
        if not self.averaged:
            return rows
        weights = self._missing(table.shape[2]).to(table.dtype)
        return torch.cat([rows, weights[:, None, None, :] @ table], dim=2)

    def pairs(self, table: Tensor, *, prefix: int, rows: int | None = None) -> Tensor:
        """As `rows`, of a table with a number for each pair of tokens, prefix included.

        Args:
            table: (batch or 1, heads, tokens, tokens).
            prefix: tokens at the front that have no place on the grid.
            rows: tokens at the front that ask, at most `prefix`; None for all.

        Returns:
            (batch or 1, heads, tokens or rows, tokens).
        """
        if self.positions is None:
            return table if rows is None else table[..., :rows, :]
        front = torch.arange(prefix, device=table.device)
        front = front.expand(self.positions.shape[0], -1)  # not len(), as in `log_sizes`
        shifted = Trail(torch.cat([front, self.positions + prefix], dim=1), self.averaged)
        queries = shifted.rows(table) if rows is None else table[..., :rows, :]
        return shifted.rows(queries.transpose(2, 3)).transpose(2, 3)

    def _missing(self, places: int) -> Tensor:
        """The share of each place in the averaged token, (batch, places) float32."""
        assert self.positions is not None  # noqa: S101 (asked only where some are missing)
        every = torch.arange(places, device=self.positions.device)
        # A comparison, not a scatter, which some runtimes lack.
        there = (self.positions.unsqueeze(-1) == every).any(dim=1)
        return (~there).float() / (places - self.positions.shape[1])


def _rows(table: Tensor, positions: Tensor) -> Tensor:
    """As `Trail.rows`, without the averaged token."""
    if table.ndim == 4:
        index = positions[:, None, :, None].expand(-1, table.shape[1], -1, table.shape[3])
        return table.expand(positions.shape[0], -1, -1, -1).gather(2, index)
    # One table for all images: whole rows are copied, which is quicker than by number.
    heads = table if table.ndim == 3 else table.unsqueeze(0)
    rows = heads.index_select(1, positions.flatten())
    shape = (heads.shape[0], *positions.shape, heads.shape[2])
    return rows.view(shape).transpose(0, 1)
