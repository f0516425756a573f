"""Which operators the parts of a plain vision transformer are made of, with their shapes.

They are those that timm runs: `Block`, `Attention`, `Mlp`, `GluMlp`, `SwiGLU` and
`VisionTransformer.forward`. What only changes a view of memory is no operator. A workload's
shapes do not tell of these few, which are left out:

- CLIP's norm before the blocks, BEiT-3's norms inside a branch, a norm of the embedding;
- the pooling of an average, after which timm's last norm sees one row per image, here all
  tokens; the attention pool of SigLIP: a product of all tokens with a matrix as large as two
  thirds of qkv, and a block's small rest on a single token;
- DeiT's second head; rotary embeddings; a gate on attention.

Two linears of a `SwiGLU`, of one width each, are taken as one of both widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from latmodel.operator_kinds import Operator

if TYPE_CHECKING:
    import numpy.typing as npt

    from latmodel.table import Int64
    from latmodel.workload import Workload

__all__ = [
    "ROLES",
    "Use",
    "attention_half",
    "cut_operators",
    "embedding_operators",
    "head_operators",
    "mlp_half",
    "prefix_attention_half",
]

ROLES = (
    *("patch embedding", "positions", "norm", "qkv", "q/k norm", "attention", "scores"),
    *("softmax", "values", "projection", "layer scale", "residual", "mlp in", "gelu", "gate"),
    *("mlp out", "cut", "head"),
)
"""What operators are for, in the order of a forward pass."""


@dataclass(frozen=True, slots=True)
class Use:
    """An operator and what it is for.

    Attributes:
        role: one of `ROLES`.
        operator: its kind and its dimensions at each count.
        repeats: how often it runs, one after the other.
    """

    role: str
    operator: Operator
    repeats: int = 1


def attention_half(workload: Workload, counts: Int64, *, fused: bool = True) -> tuple[Use, ...]:
    """One block's attention half, residual addition included.

    Args:
        workload: what runs.
        counts: shape (C,), tokens that the attention sees.
        fused: one kernel for scores, softmax and values; otherwise three operators, whose
            scaling and copies are left out.
    """
    rows = workload.batch * counts
    inner = workload.heads * workload.head_dim
    norms = _norm("q/k norm", rows * workload.heads, workload.head_dim, repeats=2)
    return (
        _norm("norm", rows, workload.dim),
        _linear("qkv", rows, workload.dim, 3 * inner),
        *((norms,) if workload.qk_norm else ()),
        *(_fused(workload, counts) if fused else _unfused(workload, counts)),
        _linear("projection", rows, inner, workload.dim),
        *_residual(workload, rows),
    )


def prefix_attention_half(
    workload: Workload, counts: Int64, *, fused: bool = True
) -> tuple[Use, ...]:
    """An attention half of which only the prefix leaves; arguments as `attention_half`.

    Keys and values are those of every token, queries and all behind them the prefix's.
    """
    rows, few = workload.batch * counts, workload.batch * workload.prefix
    inner, heads, width = workload.heads * workload.head_dim, workload.heads, workload.head_dim
    norms = (
        _norm("q/k norm", few * heads, width),
        _norm("q/k norm", rows * heads, width),
    )
    attention = _fused if fused else _unfused
    return (
        _norm("norm", rows, workload.dim),
        _linear("qkv", few, workload.dim, inner),
        _linear("qkv", rows, workload.dim, 2 * inner),
        *(norms if workload.qk_norm else ()),
        *attention(workload, counts, queries=workload.prefix),
        _linear("projection", few, inner, workload.dim),
        *_residual(workload, few),
    )


def mlp_half(workload: Workload, counts: Int64) -> tuple[Use, ...]:
    """One block's MLP half, residual addition included; `counts` as in `attention_half`."""
    rows = workload.batch * counts
    hidden: dict[str, npt.ArrayLike] = {"rows": rows, "width": workload.mlp_width}
    halves = 2 if workload.gated_mlp else 1
    gate = Use("gate", Operator("add", hidden))  # a product of two tensors moves as much
    return (
        _norm("norm", rows, workload.dim),
        _linear("mlp in", rows, workload.dim, halves * workload.mlp_width),
        Use("gelu", Operator("gelu", hidden)),
        *((gate,) if workload.gated_mlp else ()),
        _linear("mlp out", rows, workload.mlp_width, workload.dim),
        *_residual(workload, rows),
    )


def cut_operators(workload: Workload, counts: Int64) -> tuple[Use, ...]:
    """One cut down to each count, by the dearest score there is.

    That score needs the whole softmax map, which fused attention does not keep, so the
    map is computed again beside it, and always at the full count: a cut further down,
    or by a score of the class row alone, costs less.
    """
    full = workload.tokens
    maps = workload.batch * workload.heads
    product = {"batch": maps, "m": full, "n": full, "k": workload.head_dim}
    over_map = {"rows": maps * full, "width": full}
    values = {"rows": maps * full, "width": workload.head_dim}
    # One number per token: maximum, division, sums, addition, top-k, sort, means of them.
    over_tokens = Operator("norm", {"rows": workload.batch, "width": full})
    kept = Operator("add", {"rows": workload.batch * counts, "width": workload.dim})
    dropped = Operator("add", {"rows": workload.batch * full, "width": workload.dim})
    return (
        Use("cut", Operator("bmm", product)),
        Use("cut", Operator("softmax", over_map)),
        Use("cut", Operator("norm", over_map)),  # to the attention that each token receives
        Use("cut", Operator("softmax", values)),
        Use("cut", Operator("norm", values)),  # from the values to one number per token
        Use("cut", over_tokens, repeats=7),
        Use("cut", kept, repeats=2),  # gather and concat
        Use("cut", dropped, repeats=2),  # gather of what is dropped, and its mean
    )


def embedding_operators(workload: Workload) -> tuple[Use, ...]:
    """Patches, positions and prefix, at the full count."""
    rows = workload.batch * workload.tokens
    add = Operator("add", {"rows": rows, "width": workload.dim})
    patches = workload.batch * workload.patches
    return (
        _linear("patch embedding", patches, workload.patch_inputs, workload.dim),
        Use("positions", add, repeats=2 if workload.prefix else 1),  # concat moves as much
    )


def head_operators(workload: Workload) -> tuple[Use, ...]:
    """The last norm, and the head where there is one, at the full count."""
    norm = _norm("norm", workload.batch * workload.tokens, workload.dim)
    if not workload.classes:
        return (norm,)
    return (norm, _linear("head", workload.batch, workload.dim, workload.classes))


def _fused(workload: Workload, counts: Int64, *, queries: int | None = None) -> tuple[Use, ...]:
    """One kernel; by default every token asks."""
    dims: dict[str, npt.ArrayLike] = {
        "batch": workload.batch,
        "heads": workload.heads,
        "queries": counts if queries is None else queries,
        "keys": counts,
        "head_dim": workload.head_dim,
    }
    return (Use("attention", Operator("attention", dims)),)


def _unfused(
    workload: Workload, counts: Int64, *, queries: int | None = None
) -> tuple[Use, ...]:
    maps, head_dim = workload.batch * workload.heads, workload.head_dim
    asking = counts if queries is None else queries
    scores: dict[str, npt.ArrayLike] = {"batch": maps, "m": asking, "n": counts, "k": head_dim}
    values: dict[str, npt.ArrayLike] = {"batch": maps, "m": asking, "n": head_dim, "k": counts}
    softmax: dict[str, npt.ArrayLike] = {"rows": maps * asking, "width": counts}
    return (
        Use("scores", Operator("bmm", scores)),
        Use("softmax", Operator("softmax", softmax)),
        Use("values", Operator("bmm", values)),
    )


def _norm(role: str, rows: Int64 | int, width: int, *, repeats: int = 1) -> Use:
    return Use(role, Operator("norm", {"rows": rows, "width": width}), repeats)


def _linear(role: str, rows: Int64 | int, in_features: int, out_features: int) -> Use:
    dims = {"rows": rows, "in_features": in_features, "out_features": out_features}
    return Use(role, Operator("linear", dims))


def _residual(workload: Workload, rows: Int64 | int) -> tuple[Use, ...]:
    add = Operator("add", {"rows": rows, "width": workload.dim})
    if not workload.layer_scale:
        return (Use("residual", add),)
    # A layer scale multiplies every feature: the traffic of an addition, a little less.
    return (Use("layer scale", add), Use("residual", add))
