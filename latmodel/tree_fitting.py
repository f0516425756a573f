"""Trees of scikit-learn, fitted and rewritten as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latmodel.forest import MOST_LEAVES, UNIT, Forest
from latmodel.trees import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from latmodel.slowdowns import Floats

__all__ = ["fit_choice", "fit_forest", "fit_whole_numbers", "stacked"]


def stacked(features: Mapping[str, Floats]) -> Floats:
    """Features as a matrix, (rows, features), in single precision as the trees see them."""
    columns = np.broadcast_arrays(*features.values())
    matrix: Floats = np.stack([column.ravel() for column in columns], axis=1)
    return matrix


def fit_choice(
    features: Mapping[str, Floats], chosen: npt.NDArray[np.int64], *, most_leaves: int
) -> Tree:
    """A tree that tells which of several was chosen; its leaves are indices.

    Args:
        features: by name, each of shape (rows,) or one value.
        chosen: shape (rows,), indices from 0.
        most_leaves: of the tree.
    """
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 (slow; only fits)

    fitted = DecisionTreeClassifier(
        max_leaf_nodes=most_leaves, min_samples_leaf=4, random_state=0
    )
    fitted.fit(stacked(features), chosen)
    classes = fitted.classes_
    return _tree(
        fitted.tree_, tuple(features), lambda value: float(classes[int(np.argmax(value))])
    )


def fit_whole_numbers(
    features: Mapping[str, Floats], numbers: npt.NDArray[np.int64], *, most_leaves: int
) -> Tree:
    """A tree that tells a whole number, 1 or more, by the geometric mean of each leaf."""
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415 (as above)

    fitted = DecisionTreeRegressor(
        max_leaf_nodes=most_leaves, min_samples_leaf=3, random_state=0
    )
    fitted.fit(stacked(features), np.log(numbers))
    return _tree(fitted.tree_, tuple(features), lambda value: float(round(np.exp(value[0, 0]))))


def fit_forest(
    features: Mapping[str, Floats],
    target: Floats,
    *,
    trees: int,
    rate: float,
    most_leaves: int = MOST_LEAVES,
    least_rows: int = 10,
    loss: str = "absolute_error",
) -> Forest:
    """Boosted trees for `target`, shape (rows,).

    Each tree sees four fifths of the rows and, at each test, half of the features, which
    is worth a tenth of the error. Deterministic: the same rows give the same trees.
    """
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 (as above)

    fitted = GradientBoostingRegressor(
        loss=loss,
        n_estimators=trees,
        learning_rate=rate,
        max_depth=None,
        max_leaf_nodes=most_leaves,
        min_samples_leaf=least_rows,
        subsample=0.8,
        max_features=0.5,
        random_state=0,
    )
    fitted.fit(stacked(features), target)
    start = float(np.ravel(fitted.init_.constant_)[0])
    grown = [
        _tree(
            estimator.tree_,
            tuple(features),
            lambda value: float(round(rate * float(value[0, 0]) / UNIT)),
        )
        for estimator in fitted.estimators_[:, 0]
    ]
    root = Tree.parse(f"{start / UNIT:.6g}")
    return Forest((root, *grown))


def _tree(fitted: Any, names: tuple[str, ...], answer: Callable[[Any], float]) -> Tree:
    """A tree of scikit-learn in preorder, its thresholds rounded as text will hold them."""
    words: list[str] = []
    waiting = [0]
    while waiting:
        node = waiting.pop()
        left, right = fitted.children_left[node], fitted.children_right[node]
        if left < 0:
            words.append(f"{answer(fitted.value[node]):.6g}")
        else:
            words.append(f"{names[fitted.feature[node]]}<={fitted.threshold[node]:.6g}")
            waiting += [right, left]
    return Tree.parse(" ".join(words))
