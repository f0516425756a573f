"""One matrix-multiplication kernel: tiles, waves, and how a reduction is split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import FieldError, ProfileError
from latmodel.slowdowns import Floats, require_not_negative
from latmodel.trees import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from latmodel.fields import Fields
    from latmodel.shapes import Product

__all__ = ["Kernel"]

_SIZES = ("tile_rows", "tile_columns", "tile_reduction", "blocks_per_sm")
_NUMBERS = ("wave_ns", "element_ns", "first_element_ns", "evenness", "split_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """How a matrix product is cut into tiles, and what its waves of tiles cost.

    The output, rows x columns, is covered by tiles; each tile is one thread block, or
    `splits` of them that share the reduction. The multiprocessor with the most blocks ends
    last, and its blocks cost the same whether they are full or not: that is the staircase.

        blocks_each = blocks / (sms * blocks_per_sm)
        waves = max(1, blocks_each + evenness * (ceil(blocks_each) - blocks_each))
        compute_ns = waves * (wave_ns + element_ns * k) + first_element_ns * k

    where k is the block's share of the reduction, in whole `tile_reduction`.

    Attributes:
        name: the kernel's, for people.
        tile_rows: output rows of one tile.
        tile_columns: output columns of one tile.
        tile_reduction: elements of the reduction that a block loads at a time.
        blocks_per_sm: blocks of one wave on one multiprocessor. Beside each other they
            share its arithmetic, so 1 describes all kernels measured here, whatever their
            occupancy.
        wave_ns: to start and to store one wave, in ns.
        element_ns: per wave and per element of the reduction, in ns.
        first_element_ns: per element of the reduction, once, in ns: the chain of load and
            multiply that other waves, which run beside it, do not lengthen.
        evenness: from 1, where a last wave that is not full costs a whole one, to 0, where
            it costs its share of one, as where work flows evenly. The first wave is always
            whole.
        splits: blocks that may share one tile's reduction. The cheapest is taken, unless
            `split_choice` tells which the library takes.
        split_choice: a tree over `shape_features` whose leaves are splits, 1 or more.
        split_ns: to add up the shares, per thousand outputs and split, in ns.

    Raises:
        ProfileError: a size below 1, a number below 0, an evenness above 1, no split, or a
            split that is no whole number of 1 or more.

    Source:
        NVIDIA, "Matrix Multiplication Background User's Guide", tile and wave
        quantization; checked on five GPUs' launch grids (NeuSight's rows), where an A100's
        bmm costs 188 ns per element to one block per multiprocessor, then 374, 565, 753.

    >>> from latmodel.shapes import product_of
    >>> kernel = Kernel(name="64x64", tile_rows=64, tile_columns=64, element_ns=2.0,
    ...     first_element_ns=1.0)
    >>> sizes = {"rows": np.array([64.0, 65.0, 128.0, 129.0]), "in": np.array(10.0),
    ...     "out": np.array(128.0)}
    >>> product = product_of("linear", sizes)
    >>> kernel.compute_ns(product, np.array(1.0), sms=4).tolist()
    [30.0, 30.0, 30.0, 50.0]
    """

    name: str
    tile_rows: int
    tile_columns: int
    tile_reduction: int = 1
    blocks_per_sm: int = 1
    wave_ns: float = 0.0
    element_ns: float
    first_element_ns: float = 0.0
    evenness: float = 1.0
    splits: tuple[int, ...] = (1,)
    split_choice: Tree | None = field(default=None, repr=False)
    split_ns: float = 0.0

    def __post_init__(self) -> None:
        for name in _SIZES:
            if getattr(self, name) < 1:
                raise ProfileError(f"{name} is {getattr(self, name)}: must be 1 or more")
        if not self.splits or min(self.splits) < 1:
            raise ProfileError("splits must hold at least one number, each 1 or more")
        require_not_negative(**{name: getattr(self, name) for name in _NUMBERS})
        if self.evenness > 1:
            raise ProfileError(f"evenness is {self.evenness}: must be 1 or less")
        for split in () if self.split_choice is None else self.split_choice.leaves:
            if split < 1 or split % 1:
                raise ProfileError(f"split_choice answers {split:g}: must be whole, 1 or more")

    def waves(self, product: Product, split: Floats, *, sms: int) -> Floats:
        """How many times the cost of one wave is paid: 1 or more, whole at evenness 1.

        Args:
            product: the shapes.
            split: blocks that share one tile's reduction.
            sms: multiprocessors.
        """
        down = np.ceil(product.rows / self.tile_rows)
        across = np.ceil(product.columns / self.tile_columns)
        each = product.batch * down * across * split / (sms * self.blocks_per_sm)
        waves: Floats = np.maximum(1.0, each + self.evenness * (np.ceil(each) - each))
        return waves

    def compute_ns(self, product: Product, split: Floats, *, sms: int) -> Floats:
        """The time that a product computes, memory and merging aside, in ns."""
        share = np.ceil(product.reduction / split / self.tile_reduction) * self.tile_reduction
        per_wave = self.wave_ns + self.element_ns * share
        return self.waves(product, split, sms=sms) * per_wave + self.first_element_ns * share

    def merge_ns(self, product: Product, split: Floats) -> Floats:
        """The time to add up the shares of a split reduction, in ns."""
        return np.where(split > 1, self.split_ns * 1e-3 * product.outputs * split, 0.0)

    def chosen_splits(self, features: Mapping[str, Floats]) -> tuple[Floats, ...]:
        """The splits to take the cheapest of."""
        if self.split_choice is not None:
            return (np.asarray(self.split_choice.apply(features)),)
        return tuple(np.array(float(split)) for split in self.splits)

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        values: dict[str, object] = {"name": self.name}
        values |= {name: getattr(self, name) for name in _SIZES}
        values |= {name: float(getattr(self, name)) for name in _NUMBERS}
        values["splits"] = list(self.splits)
        if self.split_choice is not None:
            values["split_choice"] = self.split_choice.text()
        return values

    @classmethod
    def from_fields(cls, source: Fields) -> Kernel:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """
        try:
            kernel = cls(
                name=source.text("name"),
                tile_rows=source.integer("tile_rows", minimum=1),
                tile_columns=source.integer("tile_columns", minimum=1),
                tile_reduction=source.integer("tile_reduction", minimum=1),
                blocks_per_sm=source.integer("blocks_per_sm", minimum=1),
                wave_ns=source.number("wave_ns", minimum=0),
                element_ns=source.number("element_ns", minimum=0),
                first_element_ns=source.number("first_element_ns", minimum=0),
                evenness=source.number("evenness", minimum=0),
                splits=source.integers("splits", minimum=1),
                split_choice=Tree.from_field(source, "split_choice"),
                split_ns=source.number("split_ns", minimum=0),
            )
        except ProfileError as error:  # which starts with the field's name
            raise FieldError(source.path(str(error))) from None
        source.finish()
        return kernel
