"""What the last block costs where it need only keep the tokens that the head reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latmodel.errors import LatmodelError

__all__ = ["Ending"]

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ending:
    """A last block whose attention asks for the prefix alone, and whose MLP sees no more.

    A head that reads a class token loses nothing by it: keys and values of every token
    that reaches the block are still there.

    Attributes:
        prefix: tokens that leave the last block.
        segment_ns: shape (C,), whole nanoseconds: the MLP of the block before and the last
            attention, at each count that reaches it.
        mlp_ns: the last MLP, on the prefix.

    Raises:
        LatmodelError: there is no prefix, or a latency is negative.
    """

    prefix: int
    segment_ns: Int64
    mlp_ns: int

    def __post_init__(self) -> None:
        array = self.segment_ns.copy()  # the caller's own stays writable
        array.setflags(write=False)
        object.__setattr__(self, "segment_ns", array)
        if self.prefix < 1:
            raise LatmodelError(f"prefix is {self.prefix}: an ending keeps 1 token or more")
        if self.mlp_ns < 0 or np.any(self.segment_ns < 0):
            raise LatmodelError("a latency of the ending is negative")
