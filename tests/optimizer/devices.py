"""Made-up devices for tests: their latency is a formula, so every answer can be checked."""

from __future__ import annotations

from latmodel.curve import Curve
from latmodel.kernels import Kernel
from latmodel.measurement import Measurement
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.profile import DeviceProfile, Provenance
from latmodel.streams import StreamModel
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["TINY", "operator_profile", "profile_of", "staircase_profile"]

TINY = Workload(
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
    prefix_head=True,
)
"""The smallest ViT that timm has; 160 x 160 pixels in patches of 16."""


def profile_of(
    workload: Workload, block_ns: dict[int, int], **changes: object
) -> DeviceProfile:
    """A measured profile whose blocks cost `block_ns`, by count from 1 to the full one."""

    def curve(scale: float) -> Curve:
        return Curve(
            tuple(
                Measurement(count, (int(scale * workload.depth * latency),))
                for count, latency in sorted(block_ns.items())
            )
        )

    values: dict[str, object] = {
        "name": "made-up",
        "device": "a made-up device",
        "confidence": "high",
        "provenance": (Provenance(source="a formula", measured="nothing", derived="all"),),
        "curves": (
            WorkloadCurves(
                workload=workload,
                blocks=curve(1),
                mlps=curve(0.5),
                cut=Curve((Measurement(1, (10_000,)), Measurement(workload.tokens, (10_000,)))),
                ends_ns=500_000,
            ),
        ),
    }
    return DeviceProfile(**{**values, **changes})  # type: ignore[arg-type]


def staircase_profile(workload: Workload = TINY, tile: int = 32) -> DeviceProfile:
    """One millisecond per tile and block, half a millisecond of embedding and head."""
    counts = range(1, workload.tokens + 1)
    return profile_of(workload, {n: 1_000_000 * -(-n // tile) for n in counts})


def operator_profile(**changes: object) -> DeviceProfile:
    """A profile of operators: launches of 10 us, gaps of 2, a busy time that follows shapes."""
    product = ProductModel(
        kinds=("linear", "bmm"),
        dtypes=("fp16",),
        sms=4,
        bandwidth_gb_s=60.0,
        launch_ns=(10_000.0, 10_000.0),
        kernels=(Kernel(name="16x32", tile_rows=16, tile_columns=32, element_ns=500.0),),
    )
    stream = StreamModel(
        kinds=("softmax", "norm", "gelu", "add"),
        dtypes=("fp16",),
        sms=4,
        bandwidth_gb_s=50.0,
        launch_ns=(10_000.0,) * 4,
    )
    model = OperatorModel(products=(product,), streams=(stream,), gap_ns=2000.0)
    values: dict[str, object] = {
        "name": "operators",
        "device": "a made-up device",
        "confidence": "low",
        "provenance": (Provenance(source="a formula", measured="nothing", derived="all"),),
        "operators": model,
    }
    return DeviceProfile(**{**values, **changes})  # type: ignore[arg-type]
