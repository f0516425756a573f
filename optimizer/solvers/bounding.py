"""Which parts of schedules can still become the best one? Bounds at many prices at once.

Take the end of a schedule, blocks ``i`` to the last, that the state before block ``i``
reaches. With the best priced start before it, it comes to ``priced end + priced start``; a
schedule worth ``aim`` within the budget comes to ``scale * aim - price * room`` at least, at
*every* price. So an end that falls short at one price cannot be part of such a schedule, and
leaving it out loses nothing, ties included. For starts it is the same with the best end.

One price, that of the whole problem, is weak for parts that spend far more or less of the
budget than their share: what they leave is still paid at that price, even where no other part
could use it. Cheaper and dearer prices see that. The two extremes are bounds of their own: at
price 0 no other part is worth more, and at value 0 none is faster.

Source: the multiplier bound of Handler and Zang 1980, doi:10.1002/net.3230100403; for
several prices at once, the bounds of Pisinger 1995, doi:10.1016/0377-2217(95)00015-I, which
solve the relaxation anew for every partial choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.problem import Int64, Problem
from optimizer.solvers.pricing import ends_at, layers_of, starts_at
from optimizer.solvers.relaxing import Relaxation
from optimizer.solvers.stepping import Mask, Step

__all__ = ["BlockBounds", "Bounds", "bounds_for"]

Floats = npt.NDArray[np.float64]

_COARSE = (0, 25, 50, 70, 85, 95, 105, 115, 130, 160, 200, 400, 1600)
_FINE = (
    *(0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 82, 84, 86, 88, 90),
    *(92, 94, 96, 98, 99, 101, 102, 103, 104, 106, 108, 110, 112, 115, 118, 122, 126, 130),
    *(140, 150, 160, 180, 200, 230, 260, 300, 400, 600, 1000, 1600, 3200),
)
"""The prices beside the best one, in percent of it: more of them leave fewer parts, and cost
more each. Coarse is faster on easy problems, fine on hard ones."""

_FEW = 500
"""So few parts are compared at all prices in one go; of more, price by price, what falls
short at one price is left out at the next."""

_LARGEST = 1 << 24
"""Numbers that the fine starts may hold, and the ends as many: 128 MB each."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockBounds:
    """What a part must come to before one block; a row per price.

    Attributes:
        scale: shape (J,), what one unit of value counts.
        price: shape (J,), what one nanosecond costs.
        least: shape (J, layers * C): what a part needs, by its state.
        least_cut: the same for a part that is about to be cut, `Step.leave_ns` paid: by its
            state with `Step.shift` added, for the best of the columns it may enter.
        alive: shape (layers * C,): whether any part with this state may matter.
    """

    scale: Int64
    price: Int64
    least: Int64
    least_cut: Int64
    alive: Mask

    def priced(self, row: int, value: Int64, latency_ns: Int64) -> Int64:
        """What parts are worth at one price."""
        worth: Int64 = self.scale[row] * value - self.price[row] * latency_ns
        return worth

    def hopeful(
        self, least: Int64, state: Int64, value: Int64, latency_ns: Int64, first: int = 0
    ) -> Int64:
        """The places of the parts that may still lead to the value aimed at.

        Args:
            least: `least` or `least_cut`.
            state: shape (L,), of each part.
            value: shape (L,), of each part.
            latency_ns: shape (L,), of each part.
            first: the first price to look at.
        """
        left = np.arange(len(state))
        for row in range(first, len(self.scale)):
            if len(left) <= _FEW:
                rest = slice(row, None)
                priced = self.scale[rest, None] * value - self.price[rest, None] * latency_ns
                return left[(priced >= least[rest, state]).all(axis=0)]
            good = self.priced(row, value, latency_ns) >= least[row][state]
            if not good.all():
                left, state = left[good], state[good]
                value, latency_ns = value[good], latency_ns[good]
        return left

    def promise(self, state: Int64, value: Int64, latency_ns: Int64) -> Floats:
        """By how much, in value, each part may lead to more than is aimed at; shape (L,)."""
        promise = np.full(len(state), np.inf)
        for row in np.flatnonzero(self.scale).tolist():
            room = self.priced(row, value, latency_ns) - self.least[row][state]
            np.minimum(promise, room / self.scale[row], out=promise)
        return promise


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """The bounds of all blocks, for any aim.

    Attributes:
        scale: shape (J,), what one unit of value counts.
        price: shape (J,), what one nanosecond costs.
        room_ns: the budget less what no cut changes.
        starts: shape (depth + 1, J, layers, C), of `starts_at`.
        ends: the same, of `ends_at`.
    """

    scale: Int64
    price: Int64
    room_ns: int
    starts: Int64
    ends: Int64

    def before(self, i: int, aim: int, step: Step) -> BlockBounds:
        """What parts up to block `i` must come to, for a schedule worth `aim`.

        Args:
            i: ends begin with this block, and starts stop before it.
            aim: the value.
            step: what makes these parts.
        """
        mine, other = (self.ends, self.starts) if step.back else (self.starts, self.ends)
        target = (self.scale * aim - self.price * self.room_ns)[:, None]
        rows = len(self.scale)
        enter = self.scale[:, None] * step.enter_value - self.price[:, None] * step.enter_ns
        entered = other[i] + enter[:, None]
        entered[..., ~step.may_enter] = -(1 << 62)
        cut = step.best_entered(entered)
        least = target - other[i].reshape(rows, -1)
        alive = (mine[i].reshape(rows, -1) >= least).all(axis=0)
        return BlockBounds(self.scale, self.price, least, target - cut.reshape(rows, -1), alive)


def bounds_for(problem: Problem, relaxation: Relaxation, *, fine: bool = False) -> Bounds:
    """The bounds at prices around the best one."""
    best, dearest = relaxation.price, relaxation.dearest
    states = (problem.depth + 1) * layers_of(problem)[0] * len(problem.counts)
    steps = _FINE if fine and states * len(_FINE) <= _LARGEST else _COARSE
    others = {min(best * step // 100, dearest) for step in steps} - {best}
    rows = [(relaxation.scale, best), (0, 1)]
    # The nearest first: they leave the fewest for the rest to look at.
    nearest = sorted(others, key=lambda price: max(price / best, best / max(price, 1)))
    rows += [(relaxation.scale, price) for price in nearest]
    scale, price = (np.array(column) for column in zip(*rows, strict=True))
    starts, ends = starts_at(problem, scale, price), ends_at(problem, scale, price)
    return Bounds(scale, price, relaxation.room_ns, starts, ends)
