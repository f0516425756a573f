"""A profile small enough for paper: its file as text, as a value, and a whole curve."""

from __future__ import annotations

from pathlib import Path

from latmodel.curve import Curve
from latmodel.environment import Environment
from latmodel.measurement import Measurement
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["PAPER", "PAPER_TEXT", "PAPER_VIT", "WHOLE"]

PAPER_TEXT = Path(__file__).with_name("paper.yaml").read_text(encoding="utf-8")

PAPER_VIT = Workload(
    model="paper_vit",
    depth=2,
    dim=8,
    heads=2,
    head_dim=4,
    mlp_width=16,
    tokens=4,
    prefix=1,
    patch_inputs=12,
    classes=10,
    qk_norm=True,
)

PAPER = DeviceProfile(
    name="paper",
    device="Paper Board, 10 W",
    confidence="high",
    provenance=(
        Provenance(
            source="counted by hand", licence="CC0", measured="everything", derived="nothing"
        ),
    ),
    errors=(ErrorFigure(what="the unpruned model", mean_percent=1.5, rows=1),),
    warnings=("the fan was off",),
    environment=Environment(
        device="Paper Board", runtime="torch eager", dtype="fp32", threads=2, torch="2.1.0"
    ),
    curves=(
        WorkloadCurves(
            workload=PAPER_VIT,
            ends_ns=50,
            blocks=Curve(
                (
                    Measurement(1, (20, 22, 24)),
                    Measurement(2, (30,)),
                    Measurement(4, (80, 80)),
                )
            ),
            mlps=Curve((Measurement(1, (10,)), Measurement(4, (41,)))),
            cut=Curve((Measurement(1, (7,)), Measurement(4, (10,)))),
        ),
    ),
)


def _measured(*latencies_ns: int) -> Curve:
    """At every count from 1 on, without noise, so that nothing is left to expect."""
    return Curve(tuple(Measurement(n, (ns,)) for n, ns in enumerate(latencies_ns, start=1)))


WHOLE = WorkloadCurves(
    workload=PAPER_VIT,
    ends_ns=50,
    blocks=_measured(22, 30, 55, 80),
    mlps=_measured(10, 21, 31, 41),
    cut=_measured(7, 8, 9, 10),
)
