"""Made-up devices for tests: their latency is a formula, so every answer can be checked."""

from __future__ import annotations

from latmodel.curve import Curve
from latmodel.measurement import Measurement
from latmodel.profile import DeviceProfile, Provenance
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["TINY", "profile_of", "staircase_profile"]

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
