"""Many small trees whose answers add up, applied to thousands of rows in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from latmodel.errors import FieldError, ProfileError
from latmodel.trees import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from latmodel.fields import Fields

__all__ = ["MOST_LEAVES", "MOST_TREES", "UNIT", "Forest"]

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.uint32]

MOST_LEAVES = 32
"""Leaves of one tree: as many as the bits of a mask."""

MOST_TREES = 2000
"""More than any correction here needs: a hostile file cannot ask for more."""

_CHUNK = 64
"""Rows at a time, so that the masks of some hundred trees stay in a core's cache."""

UNIT = 1e-4
"""What a leaf counts in, so that files hold short whole numbers."""


class _Compiled(NamedTuple):
    """Per feature: thresholds (T,), ascending, and the masks (T + 1, trees) between them."""

    thresholds: Mapping[str, Floats]
    masks: Mapping[str, Masks]
    leaves: Floats  # (trees, MOST_LEAVES)
    starts: npt.NDArray[np.intp]  # (trees,), where each tree's leaves begin in all of them


@dataclass(frozen=True, slots=True)
class Forest:
    """The sum of the answers of many trees.

    A tree's leaves are numbered from left to right, one bit each. A test that fails rules
    out the leaves of its left branch; what no failing test rules out has the tree's answer
    at its lowest bit. Which tests fail depends, feature by feature, only on how many
    thresholds lie below the value, so one table of masks per feature answers for all trees.

    Attributes:
        trees: at most `MOST_TREES`, each of at most `MOST_LEAVES` leaves, which count in
            `UNIT`.

    Raises:
        ProfileError: too many trees, or too many leaves in one.

    Source:
        Lucchese et al. 2015, "QuickScorer", doi:10.1145/2766462.2767733.

    >>> forest = Forest.parse(["rows<=64 70 cols<=8 -20 5", "rows<=1 10 -10"])
    >>> answers = forest.apply({"rows": np.array([64, 65, 65]), "cols": np.array([9, 8, 9])})
    >>> answers.round(4).tolist()
    [0.006, -0.003, -0.0005]
    """

    trees: tuple[Tree, ...]
    _compiled: list[_Compiled] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if len(self.trees) > MOST_TREES:
            raise ProfileError(f"{len(self.trees)} trees: at most {MOST_TREES} are read")
        for number, tree in enumerate(self.trees):
            if len(tree.leaves) > MOST_LEAVES:
                raise ProfileError(
                    f"tree {number} has {len(tree.leaves)} leaves: "
                    f"at most {MOST_LEAVES} are read"
                )

    @classmethod
    def parse(cls, lines: Sequence[str]) -> Forest:
        """Read one tree per line; see `Tree.parse`.

        Raises:
            ProfileError: a line is no tree, or a limit is passed.
        """
        trees = []
        for number, line in enumerate(lines):
            try:
                trees.append(Tree.parse(line))
            except ProfileError as error:
                raise ProfileError(f"tree {number}: {error}") from None
        return cls(tuple(trees))

    @classmethod
    def from_field(cls, source: Fields, name: str) -> Forest:
        """The trees that a field of a file lists; none where there is no such field.

        Raises:
            FieldError: the field is no list of texts, a text is no tree, or a limit is
                passed.
        """
        lines = source.texts(name) if source.has(name) else ()
        try:
            return cls.parse(lines)
        except ProfileError as error:
            raise FieldError(f"{source.path(name)}: {error}") from None

    def lines(self) -> list[str]:
        """One line per tree; the inverse of `parse`."""
        return [tree.text() for tree in self.trees]

    @property
    def features(self) -> frozenset[str]:
        """What any tree tests."""
        return frozenset[str]().union(*(tree.features for tree in self.trees))

    def apply(self, features: Mapping[str, Floats]) -> Floats:
        """The sum of all answers for each row; arrays are broadcast to one shape.

        Raises:
            KeyError: a feature that a tree tests is missing.
        """
        shape = np.broadcast_shapes(*(np.shape(value) for value in features.values()))
        if not self.trees:
            return np.zeros(shape)
        if not self._compiled:  # once: reading a profile must not wait for it
            self._compiled.append(_compile(self.trees))
        compiled = self._compiled[0]
        below = {
            name: np.broadcast_to(np.searchsorted(thresholds, features[name]), shape).ravel()
            for name, thresholds in compiled.thresholds.items()
        }
        total = np.empty(int(np.prod(shape)))
        for start in range(0, len(total), _CHUNK):
            rows = slice(start, start + _CHUNK)
            masks = _masks(compiled, {name: count[rows] for name, count in below.items()})
            total[rows] = _answers(compiled, masks).sum(axis=1)
        return total.reshape(shape)


def _masks(compiled: _Compiled, below: Mapping[str, npt.NDArray[np.intp]]) -> Masks:
    """The leaves that are left in each tree: (rows, trees), or (1, trees) for alike rows.

    Args:
        compiled: the trees.
        below: per feature, how many thresholds lie below each row's value; (rows,).
    """
    shared = np.full((1, compiled.leaves.shape[0]), np.uint32(0xFFFFFFFF))
    own: Masks | None = None
    for name, count in below.items():
        table = compiled.masks[name]
        if count[0] == count[-1] and np.all(count == count[0]):  # one answer for all rows
            shared &= table[count[0]]
        elif own is None:
            own, taken = table[count], np.empty((len(count), len(shared[0])), np.uint32)
        else:
            np.take(table, count, axis=0, out=taken, mode="clip")  # which needs no copy
            own &= taken
    return shared if own is None else own & shared


def _answers(compiled: _Compiled, masks: Masks) -> Floats:
    """What each tree's lowest leaf left answers; shape as `masks`."""
    lowest = masks & (~masks + np.uint32(1))
    # A power of two is exact in single precision, its exponent is the bit's number.
    leaf = (lowest.astype(np.float32).view(np.uint32) >> np.uint32(23)).astype(np.intp) - 127
    answers: Floats = compiled.leaves.ravel()[compiled.starts + leaf]
    return answers


def _compile(trees: Sequence[Tree]) -> _Compiled:
    tests: dict[str, list[tuple[float, int, int]]] = {}  # threshold, tree, leaves kept
    leaves = np.zeros((len(trees), MOST_LEAVES))
    for number, tree in enumerate(trees):
        own = tree.leaves
        leaves[number, : len(own)] = np.array(own) * UNIT
        for index, (start, end) in _left_leaves(tree).items():
            ruled_out = (1 << end) - (1 << start)
            test = (tree.values[index], number, 0xFFFFFFFF & ~ruled_out)
            tests.setdefault(tree.names[index], []).append(test)
    thresholds, masks = {}, {}
    for name, found in tests.items():
        steps, place = np.unique([at for at, _, _ in found], return_inverse=True)
        table = np.full((len(steps) + 1, len(trees)), np.uint32(0xFFFFFFFF))
        columns = np.array([number for _, number, _ in found])
        cells = (place.ravel() + 1) * len(trees) + columns
        kept = np.array([kept for _, _, kept in found], dtype=np.uint32)
        np.bitwise_and.at(table.reshape(-1), cells, kept)  # one cell may be met several times
        thresholds[name] = steps
        masks[name] = np.bitwise_and.accumulate(table, axis=0)
    return _Compiled(thresholds, masks, leaves, np.arange(len(trees)) * MOST_LEAVES)


def _left_leaves(tree: Tree) -> dict[int, tuple[int, int]]:
    """For each test, the half-open range of the leaves in its left branch."""
    before = list(accumulate((not name for name in tree.names), initial=0))
    return {
        index: (before[index], before[tree.rights[index]])
        for index, name in enumerate(tree.names)
        if name
    }
