"""Named kernels whose splits are not known, as those of batched products, are fitted too."""

from __future__ import annotations

import numpy as np

from latmodel.operator_readings import OperatorReadings
from latmodel.part_fitting import fit_part
from latmodel.products import ProductModel
from tests.latmodel.planted_boards import MODEL, shapes


def test_named_kernels_without_known_splits_are_fitted() -> None:
    asked = shapes("bmm", 150)
    read = OperatorReadings(
        kind="bmm",
        dtype="fp32",
        sizes=asked.sizes,
        latency_ns=MODEL.cost("bmm", asked.sizes).latency_ns,
        kernels=np.full(150, "sgemm_32x32_nn"),
        splits=np.zeros(150, dtype=np.int64),
    )
    part = fit_part(read, sms=8, bandwidth_gb_s=60.0)
    assert isinstance(part, ProductModel)
    assert [kernel.name for kernel in part.kernels] == ["sgemm_32x32_nn"]
    assert part.kernels[0].split_choice is None
