"""From scores to shorter sequences: pure functions of tensors and one static plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from optimizer.errors import ScheduleError
from optimizer.pruning.trail import Decision

if TYPE_CHECKING:
    from torch import Tensor

    from optimizer.pruning.cut import Cut

__all__ = ["gather_tokens", "nothing_kept", "order_patches", "shorten"]


def order_patches(scores: Tensor, cut: Cut, *, every: bool = True) -> Tensor:
    """The patches by falling score.

    Prefix tokens and an averaged token are scored too, and left out of the choice here.
    Which of two patches with equal scores comes first is `torch.topk`'s choice.

    Args:
        scores: (batch, before), one number per token that reaches the cut.
        cut: the plan.
        every: those that are not kept too; finding only the others takes less time.

    Returns:
        Positions among the patches that reach the cut, int64, (batch, patches or kept).

    Raises:
        ScheduleError: a score of the caller's own gave another shape.
    """
    if scores.ndim != 2 or scores.shape[1] != cut.before:
        raise ScheduleError(
            f"block {cut.block}: the score gave shape {tuple(scores.shape)}, "
            f"allowed is (batch, tokens) with {cut.before} tokens"
        )
    patches = scores[:, cut.prefix : cut.prefix + cut.patches]
    return patches.topk(cut.patches if every else cut.kept, dim=1).indices


def shorten(
    x: Tensor,
    order: Tensor,
    cut: Cut,
    *,
    keys: Tensor | None = None,
    sizes: Tensor | None = None,
    fill: bool = False,
) -> tuple[Tensor, Decision]:
    """Keep the first patches of the order, in image order; drop, average or merge the rest.

    Args:
        x: tokens, (batch, before, dim).
        order: positions among the patches, best first, (batch, patches); those kept are
            enough where the others are dropped without a trace.
        cut: the plan.
        keys: what says which kept patch is near, (batch, before, width); for merging.
        sizes: patches that each patch stands for, (batch, patches); None for one each.
        fill: keep the states of dropped patches in the decision.

    Returns:
        Tokens, (batch, after, dim), and what was decided.
    """
    kept, gone = order[:, : cut.kept].sort(dim=1).values, order[:, cut.kept :]
    decision = Decision(kept, gone)
    parts = [x[:, : cut.prefix]]
    if cut.dropped == "merge":
        assert keys is not None  # noqa: S101 (every block that cuts hands them over)
        patches, keys = (t[:, cut.prefix : cut.prefix + cut.patches] for t in (x, keys))
        merged, decision = _merge(patches, keys, decision, sizes)
        parts.append(merged)
    else:
        parts.append(gather_tokens(x, kept + cut.prefix))
    if cut.average:
        parts.append(_fold(x, gather_tokens(x, gone + cut.prefix), cut))
    elif fill and cut.dropped == "drop":
        decision = decision._replace(filling=gather_tokens(x, gone + cut.prefix))
    # Empty pieces are left out: some exporters' runtimes refuse them.
    return torch.cat([part for part in parts if part.shape[1]], dim=1), decision


def nothing_kept(x: Tensor) -> Decision:
    """The decision of a cut that leaves no patch, and nothing that stands for any."""
    none = torch.zeros(x.shape[0], 0, dtype=torch.int64, device=x.device)
    return Decision(none, none)


def gather_tokens(tokens: Tensor, positions: Tensor) -> Tensor:
    """The tokens at these positions of each image: (batch, positions, dim).

    Whole rows are copied: `torch.gather` moves number by number, which takes five times as
    long, and exported graphs would hold an index as large as the tokens.

    Args:
        tokens: (batch, tokens, dim).
        positions: (batch, positions), int64.
    """
    batch, count, width = tokens.shape
    if type(batch) is not int:
        # A tracer or exporter leaves the batch open: the size of a flat index would be, too.
        return tokens.gather(1, positions.unsqueeze(-1).expand(-1, -1, width))
    if batch == 1:
        return tokens[0].index_select(0, positions[0]).unsqueeze(0)
    first = torch.arange(batch, device=positions.device).unsqueeze(1) * count
    rows = tokens.flatten(0, 1).index_select(0, (positions + first).flatten())
    return rows.view(batch, positions.shape[1], width)


def _fold(x: Tensor, dropped: Tensor, cut: Cut) -> Tensor:
    """The mean of every patch dropped so far, (batch, 1, dim).

    Counts are static, so the weight of the mean that came in is a constant: the result is
    the mean over all patches dropped up to here, each as it was when it was dropped and
    carried on since by the averaged token.
    """
    mean = dropped.mean(dim=1, keepdim=True)
    if not cut.represented:
        return mean
    total = cut.represented + cut.lost
    return x[:, -1:] * (cut.represented / total) + mean * (cut.lost / total)


def _merge(
    patches: Tensor, keys: Tensor, decision: Decision, sizes: Tensor | None
) -> tuple[Tensor, Decision]:
    """Each dropped patch joins the kept one whose key is most like its own.

    Means weigh every original patch alike. The sums are one matrix product with a table of
    zeros and ones: a scatter that adds is slow in some runtimes and missing in others.

    Source:
        The measure of likeness and the weights: ToMe, Bolya et al. 2023, arXiv:2210.09461.
    """
    keys = torch.nn.functional.normalize(keys.float(), dim=-1)
    likeness = gather_tokens(keys, decision.gone) @ gather_tokens(
        keys, decision.kept
    ).transpose(1, 2)
    target = likeness.argmax(dim=2)  # (batch, lost)
    places = torch.arange(decision.kept.shape[1], device=target.device)
    joins = (target.unsqueeze(1) == places.view(1, -1, 1)).to(torch.float32)
    weights = torch.ones_like(keys[..., 0]) if sizes is None else sizes
    own, brought = weights.gather(1, decision.kept), weights.gather(1, decision.gone)
    total = own + (joins @ brought.unsqueeze(-1)).squeeze(-1)
    most = total.clamp(min=1)  # padding stands for no patch, and nothing divides by that
    joins = (joins * brought.unsqueeze(1) / most.unsqueeze(-1)).to(patches.dtype)
    share = (own / most).unsqueeze(-1).to(patches.dtype)
    stay, join = (gather_tokens(patches, p) for p in (decision.kept, decision.gone))
    merged = stay * share + joins @ join
    return merged, decision._replace(target=target, sizes=total)
