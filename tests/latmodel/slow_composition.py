"""A table's numbers again, one count and one operator at a time: the oracle of composing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from latmodel.operators import OperatorModel
from latmodel.workload import Workload

__all__ = ["FELT", "Slowly"]

Times = npt.NDArray[np.float64]  # host, device and alone, in ns


class Slowly:
    """The oracle: one count, one operator, one formula at a time."""

    def __init__(self, workload: Workload, model: OperatorModel) -> None:
        self.w, self.model = workload, model
        self.size = 2 if workload.dtype == "fp16" else 4
        self.fused = model.knows("attention", workload.dtype)

    def one(self, launch: float, busy: float, factor: float = 1.0) -> Times:
        """An operator's three times."""
        extra = max(self.model.dispatch_ns - launch, 0)
        device = busy * factor + min(self.model.gap_ns, launch * factor)
        return np.array([launch + extra, device, max((launch + busy) * factor, launch) + extra])

    def product(
        self, launch: float, batch: int, rows: int, columns: int, k: int, moved: float
    ) -> Times:
        """A product beside its memory."""
        blocks = batch * math.ceil(rows / 16) * math.ceil(columns / 32)
        compute = math.ceil(blocks / 8) * (700 + 11 * k) + 5 * k
        return self.one(launch, (compute**4 + (moved * self.size / 60) ** 4) ** 0.25)

    def linear(self, rows: int, k: int, columns: int) -> Times:
        """A linear layer."""
        moved = rows * k + k * columns + rows * columns
        return self.product(9000, 1, rows, columns, k, moved)

    def bmm(self, batch: int, m: int, n: int, k: int) -> Times:
        """A batched product."""
        return self.product(8000, batch, m, n, k, batch * (m * k + k * n + m * n))

    def stream(self, launch: float, tensors: int, rows: int, width: int) -> Times:
        """An elementwise operator on so many tensors."""
        factor = math.exp(0.1178 if rows <= 9 else -0.1054)
        return self.one(launch, tensors * rows * width * self.size / 50, factor)

    def softmax(self, rows: int, width: int) -> Times:
        """A softmax."""
        return self.stream(7000, 2, rows, width)

    def norm(self, rows: int, width: int) -> Times:
        """A norm."""
        return self.stream(6000, 2, rows, width)

    def add(self, rows: int, width: int) -> Times:
        """An addition."""
        return self.stream(4000, 3, rows, width)

    def residual(self, rows: int) -> Times:
        """A residual addition, and the scale before it."""
        return self.add(rows, self.w.dim) * (2 if self.w.layer_scale else 1)

    def attention(self, count: int) -> Times:
        """The attention half at one count."""
        w, rows, inner = self.w, self.w.batch * count, self.w.heads * self.w.head_dim
        total = self.norm(rows, w.dim) + self.linear(rows, w.dim, 3 * inner)
        if w.qk_norm:
            total += 2 * self.norm(rows * w.heads, w.head_dim)
        maps = w.batch * w.heads
        if self.fused:
            moved = maps * w.head_dim * 4 * count
            total += self.product(3000, maps, count, w.head_dim, 2 * count, moved)
        else:
            total += self.bmm(maps, count, count, w.head_dim)
            total += self.softmax(maps * count, count)
            total += self.bmm(maps, count, w.head_dim, count)
        return total + self.linear(rows, inner, w.dim) + self.residual(rows)

    def last_attention(self, count: int) -> Times:
        """The attention half at one count, of which the prefix alone leaves."""
        w, rows, few = self.w, self.w.batch * count, self.w.batch * self.w.prefix
        inner, maps = w.heads * w.head_dim, w.batch * w.heads
        total = self.norm(rows, w.dim)
        total += self.linear(few, w.dim, inner) + self.linear(rows, w.dim, 2 * inner)
        if w.qk_norm:
            total += self.norm(few * w.heads, w.head_dim)
            total += self.norm(rows * w.heads, w.head_dim)
        if self.fused:
            moved = maps * w.head_dim * (2 * w.prefix + 2 * count)
            total += self.product(3000, maps, w.prefix, w.head_dim, 2 * count, moved)
        else:
            total += self.bmm(maps, w.prefix, count, w.head_dim)
            total += self.softmax(maps * w.prefix, count)
            total += self.bmm(maps, w.prefix, w.head_dim, count)
        return total + self.linear(few, inner, w.dim) + self.residual(few)

    def mlp(self, count: int) -> Times:
        """The MLP half at one count."""
        w, rows = self.w, self.w.batch * count
        total = self.norm(rows, w.dim)
        if w.gated_mlp:
            total += self.linear(rows, w.dim, 2 * w.mlp_width) + self.add(rows, w.mlp_width)
        else:
            total += self.linear(rows, w.dim, w.mlp_width)
        total += self.stream(5000, 2, rows, w.mlp_width)
        return total + self.linear(rows, w.mlp_width, w.dim) + self.residual(rows)

    def ends(self) -> Times:
        """Embedding, final norm and head."""
        w, rows = self.w, self.w.batch * self.w.tokens
        total = 2.5 * self.linear(w.batch * (w.tokens - w.prefix), w.patch_inputs, w.dim)
        total += self.add(rows, w.dim) + self.norm(rows, w.dim)
        if w.prefix:
            total += self.add(rows, w.dim)
        if w.classes:
            total += self.linear(w.batch, w.dim, w.classes)
        return total

    def cut(self, count: int) -> Times:
        """A cut down to one count, by the dearest score."""
        w, full, maps = self.w, self.w.tokens, self.w.batch * self.w.heads
        total = self.bmm(maps, full, full, w.head_dim)
        total += self.softmax(maps * full, full) + self.norm(maps * full, full)
        total += self.softmax(maps * full, w.head_dim) + self.norm(maps * full, w.head_dim)
        total += 7 * self.norm(w.batch, full)
        return (
            total + 2 * self.add(w.batch * count, w.dim) + 2 * self.add(w.batch * full, w.dim)
        )


FELT: dict[str, Any] = {
    "eager": lambda times: max(times[0], times[1]),
    "graph": lambda times: times[1],
    "sum": lambda times: times[2],
}
