"""Shapes of matrix products, and what of a shape decides how fast it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from latmodel.slowdowns import Floats

__all__ = ["Product", "product_of", "shape_features"]


class Product(NamedTuple):
    """A batch of matrix products, rows x reduction times reduction x columns.

    Arrays broadcast against each other; those of one value stay small.

    Attributes:
        batch: products of this shape.
        rows: output rows of one product.
        columns: output columns of one product.
        reduction: elements summed per output.
        moved: numbers read and written, all products together.
    """

    batch: Floats
    rows: Floats
    columns: Floats
    reduction: Floats
    moved: Floats

    @property
    def outputs(self) -> Floats:
        """Numbers written, all products together."""
        return self.batch * self.rows * self.columns


def product_of(kind: str, sizes: Mapping[str, Floats]) -> Product:
    """The matrix product behind a kind; sizes in the order of `DIMS`.

    Fused attention goes over the keys: each key costs every query `2 * head_dim`
    multiply-adds, one half for its score and one for its value. That is a product of
    queries x head_dim with a reduction of `2 * keys`, whose scores are never stored.
    """
    if kind == "linear":
        rows, k, columns = sizes.values()
        moved = rows * k + k * columns + rows * columns
        return Product(np.array(1.0), rows, columns, k, moved)
    if kind == "bmm":
        batch, rows, columns, k = sizes.values()
        moved = batch * (rows * k + k * columns + rows * columns)
        return Product(batch, rows, columns, k, moved)
    batch, heads, queries, keys, head_dim = sizes.values()
    moved = batch * heads * head_dim * 2.0 * (queries + keys)
    return Product(batch * heads, queries, head_dim, 2.0 * keys, moved)


def shape_features(
    product: Product, *, sms: int, tiles: Iterable[tuple[int, int]]
) -> dict[str, Floats]:
    """What a library's choice of kernel, and a kernel's odd cases, hang on.

    Args:
        product: the shapes.
        sms: multiprocessors of the device.
        tiles: rows and columns of the tiles that kernels use.

    Returns:
        `rows`, `cols`, `red`, `batch` and their products and ratios; remainders, because
        vector loads want multiples of 4 to 16; for each tile, `n64x128`, blocks per
        multiprocessor, and `pad64x128`, what whole waves compute over what is asked.
    """
    batch, rows, columns, reduction, moved = product
    out = product.outputs
    features = {
        "rows": rows,
        "cols": columns,
        "red": reduction,
        "batch": batch,
        "out": out,
        "work": out * reduction,
        "moved": moved,
        "weights": reduction * columns,
        "rows/cols": rows / columns,
        "red/out": reduction / out,
        "red/rows": reduction / rows,
        "red/cols": reduction / columns,
        "rows%4": rows % 4,
        "rows%16": rows % 16,
        "cols%4": columns % 4,
        "red%4": reduction % 4,
        "red%8": reduction % 8,
    }
    for tile_rows, tile_columns in tiles:
        blocks = batch * np.ceil(rows / tile_rows) * np.ceil(columns / tile_columns)
        name = f"{tile_rows}x{tile_columns}"
        features[f"n{name}"] = blocks / sms
        features[f"pad{name}"] = np.ceil(blocks / sms) * (tile_rows * tile_columns * sms) / out
    return features
