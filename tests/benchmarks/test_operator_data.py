"""Shapes of the public operator timings: by hand, and by what the cards can do at most."""

from __future__ import annotations

import functools
import gzip
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from latmodel.operator_csv import read_operator_csv
from latmodel.operator_kinds import itemsize
from latmodel.operator_readings import OperatorReadings
from latmodel.shapes import product_of

Load = Callable[[str], Any]
Source = Callable[[str], tuple[OperatorReadings, ...]]
Floats = npt.NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[2]

T4 = "Tesla T4"
FILES = {
    "operators_fp32/linear": "device,latency_ms,b,m,n,k,grid_x,grid_y,grid_z,kernel_name\n"
    f"{T4},0.5,1,58,13,141,2,2,3,volta_sgemm_128x64_tn\nTesla P4,9,1,1,1,1,1,1,1,x\n",
    "operators_fp32/bmm": "device,latency_ms,b,m,n,k,grid_x,grid_y,grid_z,kernel_name\n"
    f"{T4},0.5,12,197,64,198,2,2,12,volta_sgemm_128x64_nn\n",
    **{
        f"operators_fp32/{name}": f"device,latency_ms,b,h,kernel_name\n{T4},0.25,197,384,x<y>\n"
        for name in ("softmax", "ln", "gelu", "addu")
    },
    "gemm_bf16/h200_trtllm": "m,n,k,latency_us\n197,1536,384,2.5\n",
    "vidur/a40": "model,op,tensor_parallel,tokens,median_us,n_embd,n_expanded_embd,n_head,"
    "n_kv_head\n"
    + "".join(
        f"{model},{op},{parallel},8,{us},{shape}\n"
        for model, op, parallel, us, shape in (
            ("Meta-Llama-3-8B", "attn_pre_proj", 1, 1, "4096,14336,32,8"),
            ("Meta-Llama-3-8B", "attn_pre_proj", 4, 2, "4096,14336,32,8"),
            ("Meta-Llama-3-8B", "attn_post_proj", 4, 3, "4096,14336,32,8"),
            ("Meta-Llama-3-8B", "mlp_up_proj", 2, 4, "4096,14336,32,8"),
            ("Meta-Llama-3-8B", "mlp_down_proj", 2, 5, "4096,14336,32,8"),
            ("phi-2", "attn_pre_proj", 1, 6, "2560,10240,32,32"),
            ("phi-2", "mlp_up_proj", 1, 7, "2560,10240,32,32"),
            ("Meta-Llama-3-8B", "add", 8, 8, "4096,14336,32,8"),
            ("phi-2", "input_layernorm", 1, 9, "2560,10240,32,32"),
            ("phi-2", "mlp_act", 1, 10, "2560,10240,32,32"),
            ("phi-2", "add", 1, 11, "2560,10240,32,32"),
            ("Meta-Llama-3-8B", "input_layernorm", 1, 12, "4096,14336,32,8"),
            ("Meta-Llama-3-8B", "mlp_act", 1, 13, "4096,14336,32,8"),
            ("Meta-Llama-3-8B", "attn_rope", 1, 14, "4096,14336,32,8"),
        )
    ),
    "dense_curves/rtx3090_llama8b_tp1": "layer,tokens,latency_us\nq_proj,7,1\nk_proj,7,2\n"
    "down_proj,7,3\nact_fn,7,4\nattn,7,5\ninput_layernorm,7,6\nrope,7,7\n",
    "dense_curves/rtx3090_llama8b_tp2": "layer,tokens,latency_us\nq_proj,7,8\no_proj,7,9\n"
    "gate_proj,7,10\ndown_proj,7,11\n",
    "dense_curves/rtx4090_llama8b_tp1_sparse": "layer,tokens,time_us\nqkv_proj,7,1\n"
    "gate_up_proj,7,2\nlayernorm,7,3\n",
}


def rows(part: OperatorReadings) -> list[tuple[float, ...]]:
    """Each reading: its sizes, then its latency in us."""
    return list(
        zip(
            *(size.tolist() for size in part.sizes.values()),
            (part.latency_ns / 1e3).tolist(),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def operator_data(benchmark_file: Load) -> Any:
    return benchmark_file("operator_data")


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """The sources' files with a few rows each."""
    for name, text in FILES.items():
        place = tmp_path / f"{name}.csv.gz"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(gzip.compress(text.encode()))
    return tmp_path


@pytest.fixture(scope="module")
def folder() -> Path:
    folder = Path(os.environ.get("LATMODEL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "operators_fp32").is_dir():
        pytest.skip("the readings are not on this machine; LATMODEL_DATA names them")
    return folder


@pytest.fixture(scope="module")
def source(operator_data: Any, folder: Path) -> Source:
    """Reads a source by its name, once."""

    @functools.cache
    def read(name: str) -> tuple[OperatorReadings, ...]:
        return tuple(operator_data.SOURCES[name](folder))

    return read


def test_neusight_by_hand(operator_data: Any, made_up: Path) -> None:
    """In a linear the source's n is the inputs; in a bmm it is the reduction."""
    linear, bmm, *streams = operator_data.neusight(made_up, "t4")
    assert (linear.kind, linear.dtype, rows(linear)) == ("linear", "fp32", [(58, 13, 141, 500)])
    assert list(linear.sizes) == ["rows", "in_features", "out_features"]
    assert (linear.kernels.tolist(), linear.splits.tolist()) == (["volta_sgemm_128x64_tn"], [3])
    assert list(bmm.sizes) == ["batch", "m", "n", "k"]
    assert (bmm.kind, rows(bmm)) == ("bmm", [(12, 197, 198, 64, 500)])
    assert (bmm.kernels.tolist(), bmm.splits.tolist()) == (["volta_sgemm_128x64_nn"], [0])
    assert [(part.kind, rows(part), part.kernels.tolist()) for part in streams] == [
        (kind, [(197, 384, 250)], [""]) for kind in ("softmax", "norm", "gelu", "add")
    ]


def test_aiconfigurator_by_hand(operator_data: Any, made_up: Path) -> None:
    """The source's n is the outputs here."""
    (linear,) = operator_data.gemms(made_up, "h200")
    assert (linear.kind, linear.dtype, rows(linear)) == (
        "linear",
        "bf16",
        [(197, 384, 1536, 2.5)],
    )


def test_vidur_by_hand(operator_data: Any, made_up: Path) -> None:
    """Llama-3-8B: 32 heads of 128, 8 for keys and values; a gated MLP of width 14336."""
    parts = operator_data.vidur(made_up, "a40")
    assert {part.dtype for part in parts} == {"fp16"}
    assert {part.kind: rows(part) for part in parts} == {
        "linear": [
            (8, 4096, 4096 + 2 * 1024, 1),
            (8, 4096, 1536, 2),
            (8, 1024, 4096, 3),
            (8, 4096, 14336, 4),
            (8, 7168, 4096, 5),
            (8, 2560, 7680, 6),
            (8, 2560, 10240, 7),
        ],
        "add": [(8, 4096, 8)],
        "norm": [(8, 2560, 9)],
        "gelu": [(8, 10240, 10)],
    }


def test_llama_blocks_by_hand(operator_data: Any, made_up: Path) -> None:
    (linear,) = operator_data.llama_block(made_up, "rtx3090")
    assert rows(linear) == [
        (7, 4096, 4096, 1),
        (7, 4096, 1024, 2),
        (7, 14336, 4096, 3),
        (7, 4096, 2048, 8),
        (7, 2048, 4096, 9),
        (7, 4096, 7168, 10),
        (7, 7168, 4096, 11),
    ]
    (linear,) = operator_data.llama_block(made_up, "rtx4090")
    assert rows(linear) == [(7, 4096, 6144, 1), (7, 4096, 28672, 2)]


def test_sources_become_one_file_for_the_command(
    operator_data: Any, made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "it.csv"
    (made_up / "jetson").mkdir()
    monkeypatch.setenv("LATMODEL_DATA", str(made_up))
    monkeypatch.setattr("sys.argv", ["operator_data.py", "h200", "rtx3090", "--out", str(out)])
    operator_data.main()
    (linear,) = read_operator_csv(out)
    assert (linear.dtype, len(linear)) == ("bf16", 8)


CARDS = {  # TFLOP/s, GB/s, L2 in MB; the last two boost past the clock of their sheets
    "p4": (5.7, 192, 2),
    "t4": (8.1, 320, 4),
    "p100": (9.5, 732, 4),
    "v100": (14.0, 900, 6),
    "a100": (19.5, 1555, 40),
    "a100-80gb": (312, 2039, 40),
    "a100-80gb-vidur": (312, 2039, 40),
    "l40s": (362, 864, 96),
    "h200": (989, 4800, 50),
    "a40": (149.7, 696, 6),
    "rtx3090": (1.1 * 71, 936, 6),
    "rtx4090": (1.1 * 165.2, 1008, 72),
}
"""Peak in TFLOP/s in the source's dtype (32-bit sums), bandwidth, cache; from data sheets."""


def products(parts: tuple[OperatorReadings, ...]) -> Iterator[tuple[OperatorReadings, Any]]:
    for part in parts:
        if part.kind in ("linear", "bmm"):
            yield part, product_of(part.kind, part.sizes)


@pytest.mark.parametrize("name", CARDS)
def test_no_shape_is_faster_than_the_card(source: Source, name: str) -> None:
    """And the best comes near: shapes too small by a factor of two would stay far below.

    Bandwidth is judged where the numbers moved do not fit the cache, some of which is read
    again and again by the source's repeats.
    """
    peak, bandwidth, cache_mb = CARDS[name]
    for part, product in products(source(name)):
        rate = 2e-3 * product.outputs * product.reduction / part.latency_ns
        assert 0.6 * peak < np.percentile(rate, 99.9) <= np.max(rate) < peak, part.kind
        moved = product.moved * itemsize(part.dtype)
        far = moved > 4e6 * cache_mb
        assert np.max((moved / part.latency_ns)[far]) < bandwidth, part.kind


@pytest.mark.parametrize("name", ["a100-80gb-vidur", "a40", "rtx3090"])
def test_weights_alone_come_at_the_memory_s_pace(source: Source, name: str) -> None:
    """A linear of 8 rows and fewer reads its weights: twice too large would pass the sheet."""
    (linear,) = (p for p in source(name) if p.kind == "linear")
    weights = 2.0 * linear.sizes["in_features"] * linear.sizes["out_features"]
    few = (linear.sizes["rows"] <= 8) & (weights > 40e6)
    pace = (weights / linear.latency_ns)[few] / CARDS[name][1]
    assert 0.5 < np.median(pace) <= np.max(pace) < 1.0


@pytest.mark.parametrize("name", ["p4", "t4", "p100", "v100", "a100"])
@pytest.mark.parametrize("kind", ["linear", "bmm"])
def test_launch_grids_bear_out_which_size_is_which(
    operator_data: Any, folder: Path, source: Source, name: str, kind: str
) -> None:
    """AxB kernels launch ceil(columns / A) * ceil(rows / B) blocks per split and product."""
    path = folder / "operators_fp32" / f"{kind}.csv.gz"
    device = operator_data.NEUSIGHT[name]
    raw = [row for row in operator_data._csv(path) if row["device"] == device]
    blocks = np.array(
        [int(row["grid_x"]) * int(row["grid_y"]) * int(row["grid_z"]) for row in raw]
    )
    (part,) = (p for p in source(name) if p.kind == kind)
    tiles = [re.search(r"sgemm_(\d+)x(\d+)", str(kernel)) for kernel in part.kernels]
    known = np.array([tile is not None for tile in tiles])
    sizes = np.array([(int(t[1]), int(t[2])) if t else (1, 1) for t in tiles])
    product = product_of(kind, part.sizes)
    expected = (
        np.ceil(product.columns / sizes[:, 0])
        * np.ceil(product.rows / sizes[:, 1])
        * product.batch
        * np.maximum(part.splits, 1)
    )
    assert np.mean(known) > 0.9
    assert np.mean((blocks == expected)[known]) > 0.99


@pytest.mark.parametrize("name", ["h200", "l40s", "a100-80gb"])
def test_a_long_reduction_to_few_outputs_is_the_slower_one(source: Source, name: str) -> None:
    """Same arithmetic, same traffic, fewer tiles: it tells inputs from outputs."""
    (linear,) = source(name)
    at_64 = linear.where(linear.sizes["rows"] == 64)
    shapes = zip(
        at_64.sizes["in_features"].tolist(), at_64.sizes["out_features"].tolist(), strict=True
    )
    latency_ns = dict(zip(shapes, at_64.latency_ns.tolist(), strict=True))
    ratios = [
        read_ns / latency_ns[outputs, inputs]
        for (inputs, outputs), read_ns in latency_ns.items()
        if inputs >= 64 * outputs and (outputs, inputs) in latency_ns
    ]
    assert len(ratios) > 20
    assert np.median(ratios) > 1.3


@pytest.mark.parametrize("name", ["p4", "t4", "p100", "v100", "a100", "a40", "a100-80gb-vidur"])
def test_streams_move_what_their_kind_moves(
    operator_data: Any, source: Source, name: str
) -> None:
    """At sizes beyond the cache, near the bandwidth and never above it.

    NeuSight's addition is of one tensor and a number: counted as three tensors it would be
    faster than the memory of four of the five cards, as two it is as fast as a GELU.
    """
    _, bandwidth, cache_mb = CARDS[name]
    passes = {
        "softmax": 2,
        "norm": 2,
        "gelu": 2,
        "add": 2 if name in operator_data.NEUSIGHT else 3,
    }
    for part in source(name):
        if part.kind not in passes:
            continue
        numbers = part.sizes["rows"] * part.sizes["width"]
        moved = passes[part.kind] * numbers * itemsize(part.dtype)
        far = moved > 2e6 * cache_mb
        if not np.any(far):  # a layer norm that fits the cache tells nothing of the memory
            continue
        pace = (moved / part.latency_ns)[far] / bandwidth
        assert 0.25 < np.median(pace) <= np.max(pace) < 1.0, part.kind
