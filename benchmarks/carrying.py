"""One device's product model carried to another by their specifications, as profiles are."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from operator_data import NEUSIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from latmodel.products import ProductModel

__all__ = ["Specification", "carried", "specifications"]

_SMS = {"p4": 20, "l4": 58}
"""What the launch grids of the readings show; copied sheets say 40 and 60."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What a data sheet says of a GPU.

    Attributes:
        sms: streaming multiprocessors.
        cores: fp32 multiply-adds of one multiprocessor in one cycle.
        mhz: boost clock.
        bandwidth_gb_s: memory bandwidth.
    """

    sms: int
    cores: int
    mhz: float
    bandwidth_gb_s: float


def specifications(folder: Path) -> dict[str, Specification]:
    """Those of NeuSight's devices, by the names of our profiles."""
    with (folder / "device_specs_gpu.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["Device"]: row for row in csv.DictReader(file)}
    found = {}
    for name, device in NEUSIGHT.items():
        row = rows[device]
        sms, cores = int(row["Num_Sm"]), int(row["Core_Per_SM"])
        right = _SMS.get(name, sms)
        found[name] = Specification(
            sms=right,
            cores=cores * sms // right,  # the product, all cores, is right in every sheet
            mhz=float(row["Freq"]),
            bandwidth_gb_s=float(row["Mem_Bw"]),
        )
    return found


def carried(part: ProductModel, here: Specification, there: Specification) -> ProductModel:
    """The part of a device `here` as the data sheets let one expect it `there`.

    Computing goes with clock and cores, what a wave takes to start with the clock, memory
    with its bandwidth. Launches, slowdowns, the choice of kernels and the correction stay.
    """
    cycle = here.mhz / there.mhz
    element = cycle * here.cores / there.cores
    memory = there.bandwidth_gb_s / here.bandwidth_gb_s
    kernels = tuple(
        replace(
            kernel,
            wave_ns=kernel.wave_ns * cycle,
            element_ns=kernel.element_ns * element,
            first_element_ns=kernel.first_element_ns * cycle,
            split_ns=kernel.split_ns / memory,
        )
        for kernel in part.kernels
    )
    return replace(
        part,
        sms=there.sms,
        bandwidth_gb_s=part.bandwidth_gb_s * memory,
        kernels=kernels,
    )
