"""The edges of a curve as a reader is told of them: the largest few, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from latmodel.curve import Edge

__all__ = ["Step", "join_edges", "largest_steps", "steep_steps"]

_STEEP = 2.0
"""An edge is steeper than the median slope by this factor; the first count of a straight
line is not, whatever fraction it rises by."""


@dataclass(frozen=True, slots=True)
class Step:
    """An edge, or neighbouring edges whose exact place no probe tells.

    Attributes:
        first: the last count before it.
        last: the first count after it; `first + 1` where the place is known.
        size: its height as a fraction of the latency before it; negative where it falls.
        located: whether its place is known to the exact count.
        cause: why it is there, in words; "" where that is not known.
    """

    first: int
    last: int
    size: float
    located: bool
    cause: str = ""

    @property
    def brief(self) -> str:
        """Its place and size; `~` where the place was not measured.

        >>> Step(64, 65, 0.36, True).brief, Step(96, 104, -0.1, False).brief
        ('64→65 +36 %', '~96→104 -10 %')
        """
        about = "" if self.located else "~"
        return f"{about}{self.first}→{self.last} {self.size * 100:+.0f} %"

    @property
    def words(self) -> str:
        """As it is named in a picture, where there is room for its cause.

        >>> Step(64, 65, 0.36, True, "tile of 64 rows").words
        '64→65 +36 % tile of 64 rows'
        """
        return f"{self.brief} {self.cause}" if self.cause else self.brief


def join_edges(edges: Iterable[Edge], latency_ns: Mapping[int, float]) -> tuple[Step, ...]:
    """Edges as steps: neighbours of one direction and unknown place become one.

    Between two probes the curve spreads a rise whose place is not known, which may exceed
    the threshold at several counts in turn; that is one rise somewhere, not many edges.

    Args:
        edges: of one curve, ascending.
        latency_ns: of the same curve at every count.

    >>> slope = [Edge(1, 1.0, False), Edge(2, 0.5, False)]
    >>> [step.words for step in join_edges(slope, {1: 10.0, 2: 20.0, 3: 30.0})]
    ['~1→3 +200 %']
    """
    steps = []
    for run in _runs(edges):
        first, last = run[0].count, run[-1].count + 1
        size = run[0].size if len(run) == 1 else latency_ns[last] / latency_ns[first] - 1
        cause = max(run, key=lambda edge: abs(edge.size)).cause
        steps.append(Step(first, last, size, run[0].located, cause))
    return tuple(steps)


def _runs(edges: Iterable[Edge]) -> Iterator[list[Edge]]:
    run: list[Edge] = []
    for edge in edges:
        if run and not _continues(run[-1], edge):
            yield run
            run = []
        run.append(edge)
    if run:
        yield run


def _continues(before: Edge, edge: Edge) -> bool:
    located = before.located or edge.located
    return not located and edge.count == before.count + 1 and before.size * edge.size > 0


def steep_steps(steps: Iterable[Step], latency_ns: Mapping[int, float]) -> tuple[Step, ...]:
    """The steps that the curve's usual slope does not explain.

    Where latency grows in proportion to the count, the first counts rise by a large
    fraction each, and none of them is an edge.

    Args:
        steps: of one curve.
        latency_ns: of the same curve at every count, ascending.

    >>> line = {count: 100.0 * count for count in range(1, 10)}
    >>> steep_steps([Step(1, 2, 1.0, True), Step(2, 3, 0.5, True)], line)
    ()
    """
    latencies = list(latency_ns.values())
    rises = [abs(after - before) for before, after in pairwise(latencies)]
    usual = median(rises) if rises else 0.0
    return tuple(
        step
        for step in steps
        if abs(latency_ns[step.last] - latency_ns[step.first])
        > _STEEP * usual * (step.last - step.first)
    )


def largest_steps(steps: Sequence[Step], most: int) -> tuple[Step, ...]:
    """At most `most` steps, in their own order: those of known place first, then by height.

    >>> rises = (Step(8, 16, 2.0, False), Step(64, 65, 0.3, True), Step(128, 129, 0.4, True))
    >>> [step.first for step in largest_steps(rises, 2)]
    [64, 128]
    """
    ranked = sorted(steps, key=lambda s: (not s.located, -abs(s.size), s.first))
    chosen = set(ranked[:most])
    return tuple(step for step in steps if step in chosen)
