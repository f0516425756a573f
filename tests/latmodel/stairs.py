"""A staircase that is easy to check by eye, and what holds it or is like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from latmodel.curve import Curve
from latmodel.measurement import Measurement
from latmodel.profile import DeviceProfile, Provenance
from latmodel.table import LatencyTable
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["STAIRS", "STAIRS_PROFILE", "TABLE", "TWO_BATCHES", "VIT"]

STAIRS = Curve(
    tuple(
        Measurement(count, (latency_ns,))
        for count, latency_ns in (
            (1, 1_000_000),
            (64, 1_000_000),
            (65, 1_360_000),  # +36 %
            (72, 1_360_000),
            (74, 1_088_000),  # -20 % somewhere between 72 and 74
            (96, 1_088_000),
            (97, 1_360_000),  # +25 %
            (101, 1_360_000),
        )
    )
)

VIT = Workload(
    model="test_vit",
    depth=6,
    dim=64,
    heads=2,
    head_dim=32,
    mlp_width=192,
    tokens=101,
    prefix=1,
    patch_inputs=768,
    classes=1000,
)

_CURVES = WorkloadCurves(workload=VIT, blocks=STAIRS, mlps=STAIRS, cut=STAIRS, ends_ns=50)

STAIRS_PROFILE = DeviceProfile(
    name="stairs",
    device="Stair Board, 10 W",
    confidence="high",
    provenance=(Provenance(source="counted by hand", measured="everything"),),
    warnings=("the fan was off",),
    curves=(_CURVES,),
)

TWO_BATCHES = replace(
    STAIRS_PROFILE, curves=(_CURVES, replace(_CURVES, workload=VIT.at(batch=8)))
)

TABLE = LatencyTable(
    counts=np.arange(1, 6),
    segment_ns=np.array([[60, 60, 90, 90, 90], [40, 40, 60, 60, 66]]),
    cut_ns=np.ones((2, 5), dtype=np.int64),
    fixed_ns=1000,
    relative_error=np.array([0.0, 0.1, 0.2, 0.3, 0.4]),
    origin="by hand",
    warnings=("it is small",),
)
