"""Profiles small enough for paper: as text and as values, of curves and of operators."""

from __future__ import annotations

from pathlib import Path

from latmodel.curve import Curve
from latmodel.environment import Environment
from latmodel.forest import Forest
from latmodel.kernels import Kernel
from latmodel.measurement import Measurement
from latmodel.operator_kinds import Span
from latmodel.operators import OperatorModel
from latmodel.products import ProductModel
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance
from latmodel.streams import StreamModel
from latmodel.trees import Tree
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = [
    "OPERATORS_TEXT",
    "PAPER",
    "PAPER_OPERATORS",
    "PAPER_TEXT",
    "PAPER_VIT",
    "WHOLE",
]

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

OPERATORS_TEXT = Path(__file__).with_name("paper_operators.yaml").read_text(encoding="utf-8")

PAPER_OPERATORS = DeviceProfile(
    name="paper_operators",
    device="Paper Board, 10 W",
    confidence="medium",
    provenance=(Provenance(source="counted by hand", licence="CC0", measured="everything"),),
    errors=(
        ErrorFigure(what="linears", mean_percent=4.0, rows=20),
        ErrorFigure(what="streams", mean_percent=1.5, rows=12),
    ),
    operators=OperatorModel(
        mode="graph",
        gap_ns=1500.0,
        dispatch_ns=20000.0,
        patch_factor=1.5,
        products=(
            ProductModel(
                kinds=("linear", "bmm"),
                dtypes=("fp16",),
                sms=4,
                bandwidth_gb_s=60.0,
                launch_ns=(2000.0, 2500.0),
                kernels=(
                    Kernel(name="16x32", tile_rows=16, tile_columns=32, element_ns=11.0),
                    Kernel(name="64x64", tile_rows=64, tile_columns=64, element_ns=20.0),
                ),
                choice=Tree.parse("rows<=16 0 1"),
                correction=Forest.parse(["rows<=9 1178 -1054"]),
                relative_error=0.1,
                fitted=(Span("rows", 8, 4096),),
            ),
        ),
        streams=(
            StreamModel(
                kinds=("softmax", "norm", "gelu", "add"),
                dtypes=("fp16",),
                sms=4,
                bandwidth_gb_s=50.0,
                launch_ns=(2000.0, 2000.0, 1500.0, 1500.0),
                relative_error=0.02,
            ),
        ),
    ),
)
