"""Slow, independent truths: scores by loops, and a cut model one image at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from optimizer.schedule import Schedule


def softmax(values: list[float]) -> list[float]:
    """By its definition."""
    top = max(values)
    powers = [math.exp(value - top) for value in values]
    return [power / sum(powers) for power in powers]


def row(query: Tensor, k: Tensor, scale: float) -> list[float]:
    """Attention of one query over the tokens of one head."""
    return softmax([float(query @ key) * scale for key in k])


def pomt(q: Tensor, k: Tensor, v: Tensor, scale: float) -> list[float]:
    """For one image: q, k and v are (heads, tokens, head_dim)."""
    heads, tokens, width = q.shape
    rows = [[row(q[h, i], k[h], scale) for i in range(tokens)] for h in range(heads)]
    received = [
        sum(max(rows[h][i][j] for h in range(heads)) for i in range(tokens))
        for j in range(tokens)
    ]
    shares = [[softmax(v[h, :, d].tolist()) for d in range(width)] for h in range(heads)]
    return [
        received[j] / max(received)
        + sum(max(shares[h][d][j] for h in range(heads)) for d in range(width))
        for j in range(tokens)
    ]


def class_attention(q: Tensor, k: Tensor, _v: Tensor, scale: float) -> list[float]:
    """For one image."""
    rows = [row(q[h, 0], k[h], scale) for h in range(len(q))]
    return [sum(column) for column in zip(*rows, strict=True)]


def pooled_attention(q: Tensor, k: Tensor, _v: Tensor, scale: float) -> list[float]:
    """For one image."""
    rows = [row(q[h].mean(dim=0), k[h], scale) for h in range(len(q))]
    return [sum(column) for column in zip(*rows, strict=True)]


def value_norm(_q: Tensor, _k: Tensor, v: Tensor, _scale: float) -> list[float]:
    """For one image."""
    return [math.sqrt(sum(float(x) ** 2 for x in v[:, j].flatten())) for j in range(v.shape[1])]


def key_norm(_q: Tensor, k: Tensor, _v: Tensor, _scale: float) -> list[float]:
    """For one image."""
    return [math.sqrt(sum(float(x) ** 2 for x in k[:, j].flatten())) for j in range(k.shape[1])]


def received_attention(q: Tensor, k: Tensor, _v: Tensor, scale: float) -> list[float]:
    """For one image."""
    heads, tokens, _ = q.shape
    rows = [row(q[h, i], k[h], scale) for h in range(heads) for i in range(tokens)]
    return [sum(column) / heads for column in zip(*rows, strict=True)]


SCORES = {
    "pomt": pomt,
    "cls": class_attention,
    "pooled": pooled_attention,
    "value-norm": value_norm,
    "key-norm": key_norm,
    "received-attention": received_attention,
}


def heads_of(attention: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v of one image's tokens, each (heads, tokens, head_dim)."""
    parts = attention.qkv(x).split(attention.num_heads * attention.head_dim, dim=-1)
    q, k, v = (torch.stack(part.split(attention.head_dim, dim=-1)) for part in parts)
    return attention.q_norm(q), attention.k_norm(k), v


def embedded(model: Any, batch: Tensor) -> Tensor:
    """What timm itself hands to the first block."""
    seen: list[Tensor] = []
    handle = model.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        model.forward_features(batch)
    handle.remove()
    return seen[0]


@torch.no_grad()
def cut_features(
    model: Any, image: Tensor, schedule: Schedule, *, score: str, dropped: str
) -> Tensor:
    """All tokens of one image after the last norm, of an uncut model cut by hand.

    Each token remembers how many patches it stands for.
    """
    x = embedded(model, image.unsqueeze(0))[0]
    prefix = schedule.prefix
    sizes = [1.0] * len(x)
    for block, after in zip(model.blocks, schedule.tokens, strict=True):
        seen = block.norm1(x)
        heads = heads_of(block.attn, seen)
        values = SCORES[score](*heads, block.attn.head_dim**-0.5)
        x = x + block.ls1(block.attn(seen.unsqueeze(0))[0])
        if after < len(x) and dropped == "merge":
            x, sizes = _merge(x, values, prefix, after, sizes, heads[1])
        elif after < len(x):
            x, sizes = _cut(x, values, prefix, after, sizes, average=dropped == "average")
        x = x + block.ls2(block.mlp(block.norm2(x)))
    tokens: Tensor = model.norm(x)
    return tokens


def _cut(
    x: Tensor,
    values: list[float],
    prefix: int,
    after: int,
    sizes: list[float],
    *,
    average: bool,
) -> tuple[Tensor, list[float]]:
    mean_of = sizes[-1] if sizes[-1] > 1 else 0
    patches = range(prefix, len(x) - (mean_of > 0))
    best = sorted(patches, key=lambda token: -values[token])
    count = after - prefix - average
    kept, gone = sorted(best[:count]), best[count:]
    tokens = [x[i] for i in (*range(prefix), *kept)]
    if average:
        total = x[gone].sum(dim=0) + (mean_of * x[-1] if mean_of else 0)
        mean_of += len(gone)
        tokens.append(total / mean_of)
    return torch.stack(tokens), [1.0] * (len(tokens) - average) + [mean_of] * average


def _merge(
    x: Tensor,
    values: list[float],
    prefix: int,
    after: int,
    sizes: list[float],
    k: Tensor,
) -> tuple[Tensor, list[float]]:
    """Each dropped patch joins the kept one whose key, over all heads, points most like its."""
    best = sorted(range(prefix, len(x)), key=lambda token: -values[token])
    kept, gone = sorted(best[: after - prefix]), best[after - prefix :]
    groups = {i: [i] for i in (*range(prefix), *kept)}
    for lost in gone:
        key = k[:, lost].flatten()
        cosines = [float(torch.cosine_similarity(key, k[:, i].flatten(), dim=0)) for i in kept]
        groups[kept[cosines.index(max(cosines))]].append(lost)
    totals = [sum(sizes[i] for i in group) for group in groups.values()]
    tokens = [
        torch.stack([sizes[i] * x[i] for i in group]).sum(dim=0) / total
        for group, total in zip(groups.values(), totals, strict=True)
    ]
    return torch.stack(tokens), totals
