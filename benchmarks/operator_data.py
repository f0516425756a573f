"""Public operator timings, as the fit needs them: shapes by our names, latencies in ns.

    python benchmarks/operator_data.py t4 --out t4.csv
    latmodel fit-operators t4.csv --device-name T4 --sms 40 --bandwidth 320 --out t4.yaml

The folder of readings is $LATMODEL_DATA, else ../shared/data beside the repository. Each
source names shapes in its own way; the comments below say how, and tests/benchmarks compares
each with launch grids, with the peak and the bandwidth of the card, and with itself.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jetson_readings import data_folder

from latmodel.files import write_text
from latmodel.operator_csv import operator_csv
from latmodel.operator_kinds import DIMS
from latmodel.operator_readings import OperatorReadings, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["NEUSIGHT", "SOURCES", "gemms", "llama_block", "neusight", "vidur"]

NEUSIGHT = {
    "p4": "Tesla P4",
    "t4": "Tesla T4",
    "p100": "Tesla P100-PCIE-16GB",
    "v100": "Tesla V100-PCIE-32GB",
    "a100": "NVIDIA A100-PCIE-40GB",
}
"""NeuSight's devices, by the names of our profiles."""


class Timed(NamedTuple):
    """One reading: its dimensions in the order of `DIMS`, and what ran where that is known."""

    sizes: tuple[int, ...]
    latency_ns: float
    kernel: str = ""
    splits: int = 0


def neusight(folder: Path, name: str) -> tuple[OperatorReadings, ...]:
    """One device of NeuSight's: every kind in fp32, torch eager, with kernel names.

    In `linear`, m is rows, n the REDUCTION and k the outputs; `bmm` is (b, m, n) x (b, n, k),
    so that n is the reduction there too. The grid's z is the split of a linear, but the batch
    of a bmm. Row-wise operators have b rows of width h. What it calls `addu` adds a number to
    one tensor: it moves two tensors, an addition of two tensors moves three.
    """
    return (
        _read(folder, name, "linear", "linear", lambda r: (r["m"], r["n"], r["k"])),
        _read(folder, name, "bmm", "bmm", lambda r: (r["b"], r["m"], r["k"], r["n"])),
        *(
            _read(folder, name, file, kind, lambda r: (r["b"], r["h"]))
            for file, kind in (
                ("softmax", "softmax"),
                ("ln", "norm"),
                ("gelu", "gelu"),
                ("addu", "add"),
            )
        ),
    )


def _read(
    folder: Path,
    name: str,
    file: str,
    kind: str,
    sizes: Callable[[Mapping[str, str]], tuple[str, ...]],
) -> OperatorReadings:
    products = kind in ("linear", "bmm")  # others run one kernel, whose name is its C++ type
    return _collected(
        kind,
        "fp32",
        (
            Timed(
                tuple(map(int, sizes(row))),
                float(row["latency_ms"]) * 1e6,
                row["kernel_name"] if products else "",
                int(row["grid_z"]) if kind == "linear" else 0,
            )
            for row in _csv(folder / "operators_fp32" / f"{file}.csv.gz")
            if row["device"] == NEUSIGHT[name]
        ),
    )


def gemms(folder: Path, name: str) -> tuple[OperatorReadings, ...]:
    """One device of aiconfigurator's bf16 products, timed in a CUDA graph.

    m is rows, n the OUTPUTS and k the reduction: the last two stand the other way round in
    NeuSight's files.
    """
    rows = _csv(folder / "gemm_bf16" / f"{name}_trtllm.csv.gz")
    timed = (
        Timed((int(row["m"]), int(row["k"]), int(row["n"])), float(row["latency_us"]) * 1e3)
        for row in rows
    )
    return (_collected("linear", "bf16", timed),)


def vidur(folder: Path, name: str) -> tuple[OperatorReadings, ...]:
    """One device of Vidur's: kernels of phi-2, Llama-2-7B and Llama-3-8B, fp16.

    Times are medians in whole or half microseconds. The linears are cut over `tensor_parallel`
    devices as Megatron cuts them, see `_vidur_linear`. Of the rest,

    - `add` is x + y of n_embd features. Phi-2's adds three tensors and is left out.
    - `input_layernorm` of phi-2 is a layer norm. The Llamas' is an RMS norm, with another
      kernel, and is left out.
    - `mlp_act` of phi-2 is a GELU over n_expanded_embd features. The Llamas' is a fused SiLU
      and product, which is no kind of ours, and is left out; so are rotations and embeddings.
    """
    rows = list(_csv(folder / "vidur" / f"{name}.csv.gz"))
    chosen: dict[str, list[Timed]] = {"linear": [], "add": [], "norm": [], "gelu": []}
    for row in rows:
        tokens, latency_ns = int(row["tokens"]), float(row["median_us"]) * 1e3
        width, expanded = int(row["n_embd"]), int(row["n_expanded_embd"])
        phi, operator = row["model"] == "phi-2", row["op"]
        linear = _vidur_linear(row)
        if linear is not None:
            chosen["linear"].append(Timed((tokens, *linear), latency_ns))
        elif operator == "add" and not phi:
            chosen["add"].append(Timed((tokens, width), latency_ns))
        elif operator == "input_layernorm" and phi:
            chosen["norm"].append(Timed((tokens, width), latency_ns))
        elif operator == "mlp_act" and phi:
            chosen["gelu"].append(Timed((tokens, expanded), latency_ns))
    return tuple(_collected(kind, "fp16", timed) for kind, timed in chosen.items())


def _vidur_linear(row: Mapping[str, str]) -> tuple[int, int] | None:
    """Inputs and outputs of a linear on one of `tensor_parallel` devices; None for others.

    The first linear of each half has its outputs cut, the second its inputs.
    """
    parallel, width = int(row["tensor_parallel"]), int(row["n_embd"])
    heads, key_heads = int(row["n_head"]), int(row["n_kv_head"])
    head_dim, expanded = width // heads, int(row["n_expanded_embd"])
    halves = 1 if row["model"] == "phi-2" else 2  # the Llamas' gate and up are one product
    return {
        "attn_pre_proj": (width, (heads + 2 * key_heads) * head_dim // parallel),
        "attn_post_proj": (width // parallel, width),
        "mlp_up_proj": (width, halves * expanded // parallel),
        "mlp_down_proj": (expanded // parallel, width),
    }.get(row["op"])


def llama_block(folder: Path, name: str = "rtx3090") -> tuple[OperatorReadings, ...]:
    """The linears of a block of Llama-3-8B, timed by LLMServingSim at every token count.

    The model's own format, bf16, is taken for the source's "16-bit". Width 4096, MLP 14336,
    keys and values 1024; with two devices the outputs of q, k, v, gate and up are halved, and
    the inputs of o and down. The norm is an RMS norm of several kernels, `act_fn` holds a
    product beside its SiLU, and `attn` is causal: none is a kind of ours.
    """
    files = {
        "rtx3090": (("rtx3090_llama8b_tp1", 1), ("rtx3090_llama8b_tp2", 2)),
        "rtx4090": (("rtx4090_llama8b_tp1_sparse", 1),),
    }[name]
    timed = []
    for file, parallel in files:
        shapes = _llama_linears(parallel)
        for row in _csv(folder / "dense_curves" / f"{file}.csv.gz"):
            if row["layer"] in shapes:
                latency_us = float(row.get("latency_us") or row["time_us"])
                sizes = (int(row["tokens"]), *shapes[row["layer"]])
                timed.append(Timed(sizes, latency_us * 1e3))
    return (_collected("linear", "bf16", timed),)


def _llama_linears(parallel: int) -> dict[str, tuple[int, int]]:
    """Inputs and outputs by name; the RTX 4090's file joins q, k and v, and gate and up."""
    width, expanded, keys = 4096, 14336, 1024
    return {
        "q_proj": (width, width // parallel),
        "k_proj": (width, keys // parallel),
        "v_proj": (width, keys // parallel),
        "qkv_proj": (width, (width + 2 * keys) // parallel),
        "o_proj": (width // parallel, width),
        "gate_proj": (width, expanded // parallel),
        "up_proj": (width, expanded // parallel),
        "gate_up_proj": (width, 2 * expanded // parallel),
        "down_proj": (expanded // parallel, width),
    }


def _collected(kind: str, dtype: str, timed: Iterable[Timed]) -> OperatorReadings:
    rows = tuple(timed)
    columns = np.array([row.sizes for row in rows], dtype=np.float64).T
    return OperatorReadings(
        kind=kind,
        dtype=dtype,
        sizes=dict(zip(DIMS[kind], columns, strict=True)),
        latency_ns=np.array([row.latency_ns for row in rows]),
        kernels=np.array([row.kernel for row in rows], dtype=np.str_),
        splits=np.array([row.splits for row in rows], dtype=np.int64),
    )


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


SOURCES: Mapping[str, Callable[[Path], Sequence[OperatorReadings]]] = {
    "p4": lambda folder: neusight(folder, "p4"),
    "t4": lambda folder: neusight(folder, "t4"),
    "p100": lambda folder: neusight(folder, "p100"),
    "v100": lambda folder: neusight(folder, "v100"),
    "a100": lambda folder: neusight(folder, "a100"),
    "a100-80gb": lambda folder: gemms(folder, "a100"),
    "a100-80gb-vidur": lambda folder: vidur(folder, "a100"),
    "l40s": lambda folder: gemms(folder, "l40s"),
    "h200": lambda folder: gemms(folder, "h200"),
    "a40": lambda folder: vidur(folder, "a40"),
    "rtx3090": lambda folder: llama_block(folder, "rtx3090"),
    "rtx4090": lambda folder: llama_block(folder, "rtx4090"),
}
"""What was timed, by a name."""


def main() -> None:
    """Write the readings of some sources as one CSV file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="+", choices=SOURCES, metavar="name")
    parser.add_argument("--out", required=True, help="the CSV file to write")
    arguments = parser.parse_args()
    folder = data_folder()
    readings = joined(part for name in arguments.names for part in SOURCES[name](folder))
    write_text(arguments.out, operator_csv(readings))
    print(f"{arguments.out}: {sum(map(len, readings))} readings")


if __name__ == "__main__":
    main()
