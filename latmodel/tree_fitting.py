"""Trees of scikit-learn, fitted and rewritten as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latmodel.forest import MOST_LEAVES, UNIT, Forest
from latmodel.trees import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy.typing as npt

    from latmodel.slowdowns import Floats

__all__ = ["fit_choice", "fit_forest", "fit_whole_numbers", "stacked"]


def stacked(features: Mapping[str, Floats]) -> Floats:
    """Features as a matrix, shape (rows, features); arrays are broadcast to one shape."""
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
        most_leaves: of the tree, 2 or more.
    """
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 (slow; only fits)

    matrix = stacked(features)
    fitted = DecisionTreeClassifier(
        max_leaf_nodes=most_leaves, min_samples_leaf=4, random_state=0
    )
    fitted.fit(matrix, chosen)
    classes = fitted.classes_
    writer = _Writer(features, matrix)
    return writer.tree(fitted.tree_, lambda value: float(classes[int(np.argmax(value))]))


def fit_whole_numbers(
    features: Mapping[str, Floats], numbers: npt.NDArray[np.int64], *, most_leaves: int
) -> Tree:
    """A tree that tells a whole number by the geometric mean of each leaf, rounded.

    Args:
        features: by name, each of shape (rows,) or one value.
        numbers: shape (rows,), 1 or more, as its answers then are.
        most_leaves: of the tree, 2 or more.
    """
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415 (as above)

    matrix = stacked(features)
    fitted = DecisionTreeRegressor(
        max_leaf_nodes=most_leaves, min_samples_leaf=3, random_state=0
    )
    fitted.fit(matrix, np.log(numbers))
    writer = _Writer(features, matrix)
    return writer.tree(fitted.tree_, lambda value: float(round(np.exp(value[0, 0]))))


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
    """Boosted trees for `target`; the first of them is one leaf, its centre.

    Each tree sees four fifths of the rows and, at each test, half of the features, which
    is worth a tenth of the error. Deterministic: the same rows give the same trees.

    Args:
        features: by name, each of shape (rows,) or one value; 2 rows or more.
        target: shape (rows,).
        trees: how many are grown after the centre.
        rate: the share of what is left that each of them adds.
        most_leaves: of each.
        least_rows: of each leaf.
        loss: scikit-learn's; `absolute_error` aims at the median of the rows that a leaf
            holds, `squared_error` at their mean.
    """
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 (as above)

    matrix = stacked(features)
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
    fitted.fit(matrix, target)
    centre = float(np.ravel(fitted.init_.constant_)[0])
    writer = _Writer(features, matrix)
    grown = [
        writer.tree(one.tree_, lambda value: float(round(rate * float(value[0, 0]) / UNIT)))
        for one in fitted.estimators_[:, 0]
    ]
    return Forest((Tree.parse(f"{centre / UNIT:.6g}"), *grown))


class _Writer:
    """Writes trees of scikit-learn as text that answers alike for every row of the fit.

    Args:
        names: of the features.
        matrix: what the trees were fitted to, shape (rows, features).
    """

    def __init__(self, names: Iterable[str], matrix: Floats) -> None:
        self._names = tuple(names)
        self._columns = [np.unique(column) for column in matrix.T]
        # scikit-learn compares in single precision, with thresholds in double.
        self._seen = [column.astype(np.float32).astype(np.float64) for column in self._columns]

    def tree(self, fitted: Any, answer: Callable[[Any], float]) -> Tree:
        """One tree in preorder; `answer` makes a number of what a leaf holds."""
        words: list[str] = []
        waiting = [0]
        while waiting:
            node = waiting.pop()
            left, right = fitted.children_left[node], fitted.children_right[node]
            if left < 0:
                words.append(f"{answer(fitted.value[node]):.6g}")
            else:
                feature = int(fitted.feature[node])
                threshold = self._threshold(feature, float(fitted.threshold[node]))
                words.append(f"{self._names[feature]}<={threshold}")
                waiting += [right, left]
        return Tree.parse(" ".join(words))

    def _threshold(self, feature: int, value: float) -> str:
        """The shortest text of six digits or more that parts the rows as `value` does."""
        above = int(np.searchsorted(self._seen[feature], value, side="right"))
        low, high = self._columns[feature][above - 1 : above + 1].tolist()
        for digits in range(6, 18):
            text = f"{value:.{digits}g}"
            if low <= float(text) < high:
                return text
        return repr(low)  # `high` was rounded to above `value`
