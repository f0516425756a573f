"""Matrix products of one device and number format: which kernel runs, and what it costs."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latmodel.errors import FieldError, ProfileError
from latmodel.forest import Forest
from latmodel.kernels import Kernel
from latmodel.operator_kinds import (
    PRODUCTS,
    Span,
    check_part,
    check_tests,
    itemsize,
    spans_from,
)
from latmodel.shapes import Product, product_of, shape_features
from latmodel.slowdowns import Floats, Governor, Throttle
from latmodel.trees import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from latmodel.fields import Fields

__all__ = ["Costs", "ProductModel"]


class Costs(NamedTuple):
    """What the wave model says of each shape.

    Attributes:
        busy_ns: shape (n,), of the kernel that runs.
        features: what the correction hangs on, by name.
    """

    busy_ns: Floats
    features: dict[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductModel:
    """Latency of matrix products: linear layers, batched products, fused attention.

        kernel_ns = throttled((governed(compute_ns)**4 + memory_ns**4)**(1/4)) + merge_ns
        latency_ns = (launch_ns + kernel_ns) * exp(correction)

    `compute_ns` and `merge_ns` are the kernel's (`Kernel`), `memory_ns` is bytes over
    bandwidth; the fourth powers are a smooth maximum of two streams that overlap.

    Attributes:
        kinds: the operators it answers for, among `PRODUCTS`.
        dtypes: the number formats.
        sms: multiprocessors (cores, on a CPU).
        bandwidth_gb_s: memory bandwidth, in GB/s, which is bytes per ns.
        launch_ns: per kind, what an operator costs however small it is.
        kernels: the kernels; at least one.
        choice: a tree over `shape_features` whose leaves are indices of `kernels`. Without
            one, the fastest kernel runs, which is what libraries aim at.
        governor: loss of short work to an unlocked clock; None where clocks are locked.
        throttle: loss of long work to a power limit; None where there is none.
        correction: small trees on what the wave model leaves, as a log ratio.
        relative_error: one standard deviation of a prediction, as a fraction, on readings
            that the fit never saw.
        fitted: the rows, columns and reductions of the readings.

    Raises:
        ProfileError: a parameter is out of range, or a tree tests what is not there.
    """

    kinds: tuple[str, ...]
    dtypes: tuple[str, ...]
    sms: int
    bandwidth_gb_s: float
    launch_ns: tuple[float, ...]
    kernels: tuple[Kernel, ...]
    choice: Tree | None = field(default=None, repr=False)
    governor: Governor | None = None
    throttle: Throttle | None = None
    correction: Forest = field(default=Forest(()), repr=False)
    relative_error: float = 1.0
    fitted: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        check_part(
            kinds=self.kinds,
            allowed=PRODUCTS,
            dtypes=self.dtypes,
            sms=self.sms,
            bandwidth_gb_s=self.bandwidth_gb_s,
            launch_ns=self.launch_ns,
            relative_error=self.relative_error,
        )
        if not self.kernels:
            raise ProfileError("kernels is empty: a product model needs at least one")
        self._check_trees()

    def _check_trees(self) -> None:
        trees = {"choice": self.choice}
        for index, kernel in enumerate(self.kernels):
            trees[f"kernels[{index}].split_choice"] = kernel.split_choice
        tested = {name: tree.features for name, tree in trees.items() if tree is not None}
        if not tested and not self.correction.trees:
            return  # a fit makes thousands without a tree: none waits for what follows
        if self.choice is not None and not set(self.choice.leaves) <= set(
            range(len(self.kernels))
        ):
            raise ProfileError(
                f"choice answers a kernel that is not among 0 to {len(self.kernels) - 1}"
            )
        one = np.array(1.0)
        product = Product(one, one, one, one, one)
        for name, features in tested.items():
            check_tests(name, features, self.features_of(product))
        check_tests("correction", self.correction.features, self.costs_of(product).features)

    def launch_of(self, kind: str) -> float:
        """What an operator of this kind costs however small it is, in ns."""
        return self.launch_ns[self.kinds.index(kind)]

    def features_of(self, product: Product) -> dict[str, Floats]:
        """What the choice of a kernel hangs on, by name."""
        tiles = dict.fromkeys((k.tile_rows, k.tile_columns) for k in self.kernels)
        return shape_features(product, sms=self.sms, tiles=tiles)

    def costs_of(self, product: Product, *, width: int = 4) -> Costs:
        """What the wave model says of products whose numbers take `width` bytes."""
        features = self.features_of(product)
        times = [
            functools.reduce(
                np.minimum,
                (
                    self.kernel_ns(kernel, product, split, width=width)
                    for split in kernel.chosen_splits(features)
                ),
            )
            for kernel in self.kernels
        ]
        together = np.stack(np.broadcast_arrays(*times))
        kernel = (
            np.argmin(together, axis=0)
            if self.choice is None
            else np.broadcast_to(self.choice.apply(features), together.shape[1:]).astype(int)
        )
        busy_ns = np.take_along_axis(together, kernel[None], axis=0)[0]
        features["kernel"] = kernel.astype(np.float64)
        features["busy"] = busy_ns
        features["memory/busy"] = product.moved * width / self.bandwidth_gb_s / busy_ns
        for index, time_ns in enumerate(times):
            features[f"t{index}"] = time_ns / busy_ns
        return Costs(busy_ns, features)

    def kernel_ns(
        self, kernel: Kernel, product: Product, split: Floats, *, width: int
    ) -> Floats:
        """The time of one kernel that splits the reduction in a given way, in ns."""
        compute_ns = kernel.compute_ns(product, split, sms=self.sms)
        if self.governor is not None:  # memory has a clock of its own
            compute_ns = self.governor.slowed_ns(compute_ns)
        memory_ns = product.moved * width / self.bandwidth_gb_s
        both_ns: Floats = (compute_ns**4 + memory_ns**4) ** 0.25
        if self.throttle is not None:
            both_ns = self.throttle.slowed_ns(both_ns)
        return both_ns + kernel.merge_ns(product, split)

    def busy_ns(
        self, kind: str, sizes: Mapping[str, Floats], *, dtype: str
    ) -> tuple[Floats, Floats]:
        """How long products keep the device busy, in ns, and the factor of the correction.

        Their latency is (launch + busy) times the factor.
        """
        costs = self.costs_of(product_of(kind, sizes), width=itemsize(dtype))
        if not self.correction.trees:
            return costs.busy_ns, np.ones_like(costs.busy_ns)
        return costs.busy_ns, np.exp(self.correction.apply(costs.features))

    def to_dict(self) -> dict[str, object]:
        """As plain values, in the order a person reads them."""
        values: dict[str, object] = {
            "kinds": list(self.kinds),
            "dtypes": list(self.dtypes),
            "sms": self.sms,
            "bandwidth_gb_s": float(self.bandwidth_gb_s),
            "launch_ns": [float(launch_ns) for launch_ns in self.launch_ns],
            "kernels": [kernel.to_dict() for kernel in self.kernels],
        }
        if self.choice is not None:
            values["choice"] = self.choice.text()
        if self.governor is not None:
            values["governor"] = self.governor.to_dict()
        if self.throttle is not None:
            values["throttle"] = self.throttle.to_dict()
        values["relative_error"] = float(self.relative_error)
        values["fitted"] = {span.name: [span.low, span.high] for span in self.fitted}
        if self.correction.trees:
            values["correction"] = self.correction.lines()
        return values

    @classmethod
    def from_fields(cls, source: Fields) -> ProductModel:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """
        try:
            model = cls(
                kinds=source.texts("kinds"),
                dtypes=source.texts("dtypes"),
                sms=source.integer("sms", minimum=1),
                bandwidth_gb_s=source.number("bandwidth_gb_s", minimum=0),
                launch_ns=source.numbers("launch_ns", minimum=0),
                kernels=source.each("kernels", Kernel.from_fields),
                choice=Tree.from_field(source, "choice"),
                governor=Governor.from_fields(source.mapping("governor"))
                if source.has("governor")
                else None,
                throttle=Throttle.from_fields(source.mapping("throttle"))
                if source.has("throttle")
                else None,
                relative_error=source.number("relative_error", minimum=0),
                fitted=spans_from(source.mapping("fitted")),
                correction=Forest.from_field(source, "correction"),
            )
        except ProfileError as error:  # which starts with the field's name
            raise FieldError(source.path(str(error))) from None
        source.finish()
        return model
