"""A decision tree as one line of text: read without running code, applied to arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import FieldError, ProfileError
from latmodel.fields import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from latmodel.fields import Fields

__all__ = ["MOST_NODES", "Tree"]

MOST_NODES = 4096
"""More than any tree here needs: a hostile file cannot ask for a larger one."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A binary decision tree, its nodes in preorder.

    Attributes:
        names: feature that each node tests; "" at a leaf.
        values: the threshold of a test, or what a leaf answers; a feature at or below the
            threshold goes to the left, any other (NaN too) to the right.
        rights: index of each node's right child; the left child comes next. 0 at a leaf.
            Follows from the names.

    Raises:
        ProfileError: the nodes are no tree, or more than `MOST_NODES`.

    >>> tree = Tree.parse("rows<=64 7 cols<=8 -2 0.5")
    >>> tree.apply({"rows": np.array([64, 65, 65]), "cols": np.array([9, 8, 9])}).tolist()
    [7.0, -2.0, 0.5]
    >>> tree.text()
    'rows<=64 7 cols<=8 -2 0.5'
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    rights: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.names) != len(self.values):
            raise ProfileError(
                f"a tree has {len(self.names)} names and {len(self.values)} values: must have "
                "as many of both"
            )
        if len(self.names) > MOST_NODES:
            raise ProfileError(
                f"a tree has {len(self.names)} nodes: at most {MOST_NODES} are read"
            )
        object.__setattr__(self, "rights", _rights(self.names))

    @classmethod
    def parse(cls, text: str) -> Tree:
        """Read a tree: a test `name<=threshold`, its left branch, its right branch.

        Raises:
            ProfileError: a word is no test and no number, the tree does not end where the
                text does, or it has more than `MOST_NODES` nodes.
        """
        names, values = [], []
        for word in text.split():
            name, test, number = word.rpartition("<=")
            if test and not name:
                raise ProfileError(f"the tree's word {shown(word)} tests nothing")
            names.append(name)
            values.append(_number(word, number))
        return cls(tuple(names), tuple(values))

    @classmethod
    def from_field(cls, source: Fields, name: str) -> Tree | None:
        """The tree that a field of a file holds; None where there is no such field.

        Raises:
            FieldError: the field holds no text, or its text is no tree.
        """
        if not source.has(name):
            return None
        try:
            return cls.parse(source.text(name))
        except ProfileError as error:
            raise FieldError(f"{source.path(name)}: {error}") from None

    def text(self) -> str:
        """The line that `parse` reads; the inverse of it, to the last bit."""
        return " ".join(
            f"{name}<={_digits(value)}" if name else _digits(value)
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
        """The answer for each row; arrays are broadcast to one shape, tested or not.

        Raises:
            KeyError: a feature that the tree tests is missing.
        """
        shape = np.broadcast_shapes(*(np.shape(value) for value in features.values()))
        tested = sorted(self.features)
        if not tested:
            return np.full(shape, self.values[0])
        rows = np.stack([np.broadcast_to(features[name], shape).ravel() for name in tested])
        column = np.array([tested.index(name) if name else -1 for name in self.names])
        values, rights = np.array(self.values), np.array(self.rights)
        node = np.zeros(rows.shape[1], dtype=np.intp)
        moving = np.arange(len(node))
        while len(moving):
            at = node[moving]
            left = rows[column[at], moving] <= values[at]
            node[moving] = np.where(left, at + 1, rights[at])
            moving = moving[column[node[moving]] >= 0]
        answer: npt.NDArray[np.float64] = values[node].reshape(shape)
        return answer


def _number(word: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    # Python also reads 1_000 and the digits of other scripts; a person may not.
    if not math.isfinite(value) or "_" in number or not number.isascii():
        raise ProfileError(
            f"the tree's word {shown(word)} is neither a test name<=number nor a finite number"
        )
    return value


def _digits(value: float) -> str:
    """Six digits, as files hold, where they tell the value; as many as it takes elsewhere."""
    short = f"{value:.6g}"
    return short if float(short) == value else repr(value)


def _rights(names: tuple[str, ...]) -> tuple[int, ...]:
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
    raise ProfileError("the tree is cut short: a branch is missing")
