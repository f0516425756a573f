"""What was measured of one workload: its blocks, their MLP halves, a cut, and both ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latmodel.curve import Curve, Edge
from latmodel.ending import Ending
from latmodel.errors import FieldError, WorkloadError
from latmodel.fields import Fields
from latmodel.table import LatencyTable, ceil_ns
from latmodel.uncertainty import Uncertainty
from latmodel.workload import Workload

__all__ = ["WorkloadCurves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadCurves:
    """Measured latency of one workload, in the parts that a latency table needs.

    Attributes:
        workload: what ran.
        blocks: all blocks in sequence over the token count, from 1 to the full count.
        mlps: all MLP halves in sequence (norm, MLP, residual), over the same range.
        cut: one cut from the full count down to the count given: scoring, choosing,
            gathering; over the same range.
        ends_ns: patch embedding, final norm and head together, at the full count.

    Raises:
        WorkloadError: a curve does not span 1 to the full count.
    """

    workload: Workload
    blocks: Curve
    mlps: Curve
    cut: Curve
    ends_ns: int

    def __post_init__(self) -> None:
        for name in ("blocks", "mlps", "cut"):
            counts = getattr(self, name).counts
            if (counts[0], counts[-1]) != (1, self.workload.tokens):
                raise WorkloadError(
                    f"{name} was probed from {counts[0]} to {counts[-1]} tokens: must span 1 "
                    f"to {self.workload.tokens}"
                )
        if self.ends_ns < 1:
            raise WorkloadError(f"ends_ns is {self.ends_ns}: must be 1 or more")

    def table(self, *, prefix_head: bool = False, shared_error: float = 0.0) -> LatencyTable:
        """The latency table of this workload at every count.

        Blocks are alike, so a segment (the MLP of one block and the attention of the
        next) costs what one block costs; the last segment is one MLP. The attention of
        the first block, which no cut precedes, is part of `fixed_ns`.

        Nobody timed a block of which the prefix alone leaves, so its ending is a bound from
        above: the last attention is charged whole, as if every token asked, and the last
        MLP as `_least_mlp_ns` says.

        Args:
            prefix_head: the head reads the prefix alone, so that there is an ending.
            shared_error: one standard deviation of what all counts share, as a fraction;
                each count's own error is the blocks' curve's.
        """
        depth = self.workload.depth
        counts = np.arange(1, self.workload.tokens + 1, dtype=np.int64)
        block = self.blocks.latency_ns(counts) / depth
        # Noise must not make an attention half negative where the MLP is nearly all.
        mlp = np.minimum(self.mlps.latency_ns(counts) / depth, block)
        segments = np.tile(block, (depth, 1))
        segments[-1] = mlp
        own = self.blocks.relative_error(counts)
        errors = Uncertainty(
            shared=np.full(len(counts), shared_error),
            independent=own,
            groups=self.blocks.error_groups(counts),
        )
        ending = None
        if prefix_head and depth > 1:
            ending = Ending(
                prefix=self.workload.prefix,
                segment_ns=ceil_ns(block),
                mlp_ns=int(ceil_ns(self._least_mlp_ns())),
            )
        return LatencyTable(
            counts=counts,
            segment_ns=ceil_ns(segments),
            cut_ns=np.tile(ceil_ns(self.cut.latency_ns(counts)), (depth, 1)),
            fixed_ns=self.ends_ns + int(ceil_ns(block[-1] - mlp[-1])),
            relative_error=errors.total,
            origin=f"measured curve of {self.workload.model}, {len(self.blocks.probes)} probes",
            ending=ending,
            uncertainty=errors,
            timed=np.isin(counts, self.blocks.counts),
        )

    def _least_mlp_ns(self) -> float:
        """At most what one MLP half on the prefix takes, and one product more.

        That is the MLP halves' reading at the smallest count of at least the prefix, or
        their curve at the prefix where it is dearer, and a fifth of it: such a block launches
        one product more (the queries' own), and an MLP half is five operators or more.
        """
        prefix = self.workload.prefix
        read = min(count for count in self.mlps.counts if count >= prefix)
        dearer = self.mlps.latency_ns([prefix, read]).max()
        return float(dearer) / self.workload.depth * 6 / 5

    def edges(
        self, threshold: float = 0.05, *, processors: int | None = None
    ) -> tuple[Edge, ...]:
        """The steps of the blocks' latency, each with its likely cause; as `Curve.edges`.

        Args:
            threshold: height as a fraction of the latency before the step.
            processors: the GPU's streaming multiprocessors, to name waves; None names none.
        """
        return self.blocks.edges(
            threshold, workload=self.workload, processors=processors, mlps=self.mlps
        )

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "workload": self.workload.to_dict(),
            "ends_ns": self.ends_ns,
            "blocks": self.blocks.to_list(),
            "mlps": self.mlps.to_list(),
            "cut": self.cut.to_list(),
        }

    @classmethod
    def from_fields(cls, source: Fields) -> WorkloadCurves:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """
        try:
            curves = cls(
                workload=Workload.from_fields(source.mapping("workload")),
                ends_ns=source.integer("ends_ns", minimum=1),
                blocks=Curve.from_fields(source, "blocks"),
                mlps=Curve.from_fields(source, "mlps"),
                cut=Curve.from_fields(source, "cut"),
            )
        except WorkloadError as error:
            raise FieldError(f"{source.path('workload')}: {error}") from None
        source.finish()
        return curves
