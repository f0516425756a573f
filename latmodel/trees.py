"""A decision tree as one line of text: read without running code, applied to arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

__all__ = ["Tree"]

MOST_NODES = 4096
"""More than any tree here needs: a hostile file cannot ask for a larger one."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A binary decision tree, its nodes in preorder.

    Attributes:
        names: feature that each node tests; "" at a leaf.
        values: the threshold of a test, or what a leaf answers; a feature at or below the
            threshold goes to the left.
        rights: index of each node's right child; the left child comes next. 0 at a leaf.

    >>> tree = Tree.parse("rows<=64 7 cols<=8 -2 0.5")
    >>> tree.apply({"rows": np.array([64, 65, 65]), "cols": np.array([9, 8, 9])}).tolist()
    [7.0, -2.0, 0.5]
    >>> tree.text()
    'rows<=64 7 cols<=8 -2 0.5'
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    rights: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Tree:
        """Read a tree: a test `name<=threshold`, its left branch, its right branch.

        Raises:
            ProfileError: a word is no test and no number, or the tree does not end where
                the text does.
        """
        words = text.split()
        if len(words) > MOST_NODES:
            raise ProfileError(f"a tree has {len(words)} nodes: at most {MOST_NODES} are read")
        names, values = [], []
        for word in words:
            name, test, number = word.rpartition("<=")
            if test and not name:
                raise ProfileError(f"the tree's word {word!r} tests nothing")
            names.append(name)
            values.append(_number(word, number))
        return cls(tuple(names), tuple(values), _rights(names))

    def text(self) -> str:
        """The line that `parse` reads; the inverse of it."""
        return " ".join(
            f"{name}<={value:.6g}" if name else f"{value:.6g}"
            for name, value in zip(self.names, self.values, strict=True)
        )

    @property
    def features(self) -> frozenset[str]:
        """What the tree tests."""
        return frozenset(self.names) - {""}

    @property
    def leaves(self) -> tuple[float, ...]:
        """The answers, from left to right."""
        return tuple(v for name, v in zip(self.names, self.values, strict=True) if not name)

    def apply(self, features: Mapping[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """The answer for each row; the features' arrays are broadcast to one shape.

        Raises:
            KeyError: a feature that the tree tests is missing.
        """
        tested = sorted(self.features)
        if not tested:
            shape = np.broadcast_shapes(*(np.shape(value) for value in features.values()))
            return np.full(shape, self.values[0])
        matrix = np.stack(np.broadcast_arrays(*(features[name] for name in tested)))
        column = np.array([tested.index(name) if name else -1 for name in self.names])
        values, rights = np.array(self.values), np.array(self.rights)
        flat = matrix.reshape(len(tested), -1)
        node = np.zeros(flat.shape[1], dtype=np.intp)
        moving = np.arange(len(node))
        while len(moving):
            at = node[moving]
            left = flat[column[at], moving] <= values[at]
            node[moving] = np.where(left, at + 1, rights[at])
            moving = moving[column[node[moving]] >= 0]
        answer: npt.NDArray[np.float64] = values[node].reshape(matrix.shape[1:])
        return answer


def _number(word: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProfileError(
            f"the tree's word {word!r} is neither a test name<=number nor a finite number"
        )
    return value


def _rights(names: list[str]) -> tuple[int, ...]:
    """The right child of each node of a preorder list."""
    rights = [0] * len(names)
    waiting: list[int] = []  # tests whose left branch is being read
    for index, name in enumerate(names):
        if name:
            waiting.append(index)
        elif not waiting:
            if index != len(names) - 1:
                raise ProfileError(f"the tree ends after {index + 1} of {len(names)} words")
            return tuple(rights)
        else:
            # This leaf ends a left branch, so the next node is the waiting test's right one.
            rights[waiting.pop()] = index + 1
    raise ProfileError("the tree is cut short: a test lacks a branch")
