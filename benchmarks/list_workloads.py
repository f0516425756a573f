"""Make `data/workloads.csv`: the shapes of every plain vision transformer in timm.

python benchmarks/list_workloads.py --out data/workloads.csv
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import timm
from rich.progress import track

from latmodel.architectures import describe
from latmodel.errors import WorkloadError
from latmodel.files import write_text
from latmodel.workload import Workload
from latmodel.workloads import to_csv

_MODULES = (
    "vision_transformer",
    "deit",
    "vision_transformer_hybrid",
    "eva",
    "beit",
    "cait",
    "vision_transformer_relpos",
    "naflexvit",
    "qwen3_vit",
    "deepseek_vit",
    "gemma4_vit",
)


def main() -> None:
    """Describe each model of timm that is a plain vision transformer; skip the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    warnings.simplefilter("ignore")  # timm warns of configurations we do not use
    # Their entry points live in these modules; building the other 1000 takes minutes.
    names = [name for module in _MODULES for name in timm.list_models(module=module)]
    workloads: list[Workload] = []
    for name in track(sorted(set(names)), description="describing", transient=True):
        try:
            workloads.append(describe(name))
        except WorkloadError as error:
            print(f"left out: {error}", file=sys.stderr)
    write_text(out, to_csv(workloads))
    print(f"{len(workloads)} models of timm {timm.__version__} listed in {out}")


if __name__ == "__main__":
    main()
