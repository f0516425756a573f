"""One matrix-multiplication kernel: tiles, waves, and the clock it is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from latmodel.errors import FieldError, ProfileError
from latmodel.workload import DTYPES

if TYPE_CHECKING:
    from latmodel.fields import Fields

__all__ = ["Floats", "Kernel", "Product", "Throttle", "require_not_negative"]

Floats = npt.NDArray[np.float64]

_SIZES = ("tile_rows", "tile_columns", "blocks_per_sm")
_TIMES = ("wave_ns", "element_ns", "first_element_ns")


def require_not_negative(**values: float) -> None:
    """Refuse a parameter that is negative, NaN or infinite.

    Raises:
        ProfileError: names the parameter and what was found.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ProfileError(f"{name} is {value}: must be finite and 0 or more")


class Product(NamedTuple):
    """A batch of matrix products, rows x reduction times reduction x columns.

    Attributes:
        batch: products of this shape.
        rows: output rows of one product.
        columns: output columns of one product.
        reduction: elements summed per output.
        moved: numbers read and written, all products together.
    """

    batch: Floats | float
    rows: Floats
    columns: Floats
    reduction: Floats
    moved: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """How a matrix product is cut into tiles, and what its waves of tiles cost.

    The output, rows x columns, is covered by tiles; each tile is one thread block. The
    device runs `sms * blocks_per_sm` blocks at a time, and such a wave costs the same
    whether it is full or not: that is the staircase.

        waves = ceil(blocks / (sms * blocks_per_sm))
        compute_ns = waves * (wave_ns + element_ns * k) + first_element_ns * k

    Attributes:
        dtypes: the number formats that run on this kernel.
        tile_rows: output rows of one tile.
        tile_columns: output columns of one tile.
        blocks_per_sm: blocks that one multiprocessor runs side by side.
        wave_ns: to start and to store one wave.
        element_ns: per wave and per element of the reduction k.
        first_element_ns: per element of the reduction, once: the chain of load and
            multiply that other waves, which run beside it, do not lengthen.

    Raises:
        ProfileError: no dtype or an unknown one, a tile below 1, or a negative time.

    Source:
        NVIDIA, "Matrix Multiplication Background User's Guide", tile and wave
        quantization; checked on five GPUs' launch grids (NeuSight's rows).

    >>> kernel = Kernel(dtypes=("fp32",), tile_rows=64, tile_columns=64, blocks_per_sm=1,
    ...     wave_ns=0.0, element_ns=2.0, first_element_ns=1.0)
    >>> rows = np.array([64.0, 65.0, 128.0, 129.0])
    >>> product = Product(1.0, rows, np.float64(128), np.float64(10), rows)
    >>> kernel.waves(product, sms=4).tolist(), kernel.compute_ns(product, sms=4).tolist()
    ([1.0, 1.0, 1.0, 2.0], [30.0, 30.0, 30.0, 50.0])
    """

    dtypes: tuple[str, ...]
    tile_rows: int
    tile_columns: int
    blocks_per_sm: int
    wave_ns: float
    element_ns: float
    first_element_ns: float

    def __post_init__(self) -> None:
        if not self.dtypes or not set(self.dtypes) <= set(DTYPES):
            raise ProfileError(
                f"dtypes are {', '.join(self.dtypes) or 'none'}: must be among "
                f"{', '.join(DTYPES)}"
            )
        for name in _SIZES:
            if getattr(self, name) < 1:
                raise ProfileError(f"{name} is {getattr(self, name)}: must be 1 or more")
        require_not_negative(**{name: getattr(self, name) for name in _TIMES})

    def waves(self, product: Product, *, sms: int) -> Floats:
        """Waves of blocks that a product takes on `sms` multiprocessors."""
        down = np.ceil(product.rows / self.tile_rows)
        across = np.ceil(product.columns / self.tile_columns)
        waves: Floats = np.ceil(product.batch * down * across / (sms * self.blocks_per_sm))
        return waves

    def compute_ns(self, product: Product, *, sms: int) -> Floats:
        """The time that a product computes, memory aside, in ns."""
        per_wave = self.wave_ns + self.element_ns * product.reduction
        once = self.first_element_ns * product.reduction
        return self.waves(product, sms=sms) * per_wave + once

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        sizes = {name: getattr(self, name) for name in _SIZES}
        times = {name: float(getattr(self, name)) for name in _TIMES}
        return {"dtypes": list(self.dtypes)} | sizes | times

    @classmethod
    def from_fields(cls, source: Fields) -> Kernel:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """
        try:
            kernel = cls(
                dtypes=source.texts("dtypes"),
                tile_rows=source.integer("tile_rows", minimum=1),
                tile_columns=source.integer("tile_columns", minimum=1),
                blocks_per_sm=source.integer("blocks_per_sm", minimum=1),
                wave_ns=source.number("wave_ns", minimum=0),
                element_ns=source.number("element_ns", minimum=0),
                first_element_ns=source.number("first_element_ns", minimum=0),
            )
        except ProfileError as error:  # which starts with the field's name
            raise FieldError(source.path(str(error))) from None
        source.finish()
        return kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """What an unlocked clock costs: a governor grants light work a low clock.

        slowed_ns = busy_ns * (1 + extra / (1 + busy_ns / ramp_ns))

    Short work runs `1 + extra` times slower than at the full clock; long work keeps only
    the constant loss `extra * ramp_ns`. More work is never faster.

    Attributes:
        extra: the slowdown of very short work, less 1; 0 for locked clocks.
        ramp_ns: busy time at which half of `extra` is left, in ns; above 0.

    Raises:
        ProfileError: `extra` is negative, or `ramp_ns` is not above 0.

    Source:
        A form of our own that fits the readings; its slope, 1 + extra / (1 + x)**2 with
        x = busy_ns / ramp_ns, is positive for any `extra`.
    """

    extra: float
    ramp_ns: float

    def __post_init__(self) -> None:
        require_not_negative(extra=self.extra, ramp_ns=self.ramp_ns)
        if self.ramp_ns == 0:
            raise ProfileError("ramp_ns is 0: must be above 0")

    def slowed_ns(self, busy_ns: Floats) -> Floats:
        """The time that `busy_ns` of work at the full clock takes, in ns."""
        return busy_ns * (1.0 + self.extra / (1.0 + busy_ns / self.ramp_ns))

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {"extra": float(self.extra), "ramp_ns": float(self.ramp_ns)}

    @classmethod
    def from_fields(cls, source: Fields) -> Throttle:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """
        extra = source.number("extra", minimum=0)
        ramp_ns = source.number("ramp_ns", minimum=0)
        try:
            throttle = cls(extra=extra, ramp_ns=ramp_ns)
        except ProfileError as error:  # which starts with the field's name
            raise FieldError(source.path(str(error))) from None
        source.finish()
        return throttle
