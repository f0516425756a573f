"""`latmodel import`: a device profile of timings that another tool took."""

from __future__ import annotations

from pathlib import Path

import click

from latmodel.catalogue import write_profile
from latmodel.files import require_target
from latmodel.importing import import_readings
from latmodel.readings import read_readings
from latmodel.workload import DTYPES
from latmodel.workloads import find_workload

__all__ = ["import_"]


@click.command(
    "import",
    epilog="Example: latmodel import pi5.csv --model deit_small_patch16_224 --device-name Pi5 "
    "--out pi5.yaml",
)
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="timm's name.")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), default="fp32", show_default=True)
@click.option("--device-name", required=True, help="With its power mode or clocks.")
@click.option("--runtime", default="", help="What ran the parts, with its version.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write.")
def import_(
    results: Path, model: str, batch: int, dtype: str, device_name: str, runtime: str, out: Path
) -> None:
    """Make a device profile of timings that another tool took.

    RESULTS is a CSV file of part,tokens,latency_ms (or latency_us, latency_ns); rows of one
    part and count are repeats. See latmodel plan for the parts and for which rows to measure.
    """
    require_target(out)
    workload = find_workload(model, batch=batch, dtype=dtype)
    readings = read_readings(results, full=workload.tokens)
    if readings.pending:
        click.echo(
            f"{results}: {len(readings.pending)} rows have no latency yet; skipped", err=True
        )
    profile = import_readings(
        readings,
        workload,
        device=device_name,
        name=out.stem,
        runtime=runtime,
        source=results.name,
    )
    write_profile(out, profile)
    for warning in profile.warnings:
        click.echo(f"warning: {warning}", err=True)
    dense_ms = profile.table(workload).dense_ns / 1e6
    click.echo(
        f"{out}: {model} at batch {batch} on {profile.device}: {dense_ms:.2f} ms unpruned; "
        f"confidence {profile.confidence}"
    )
