"""`latmodel predict`: the latency of a model on a device, at some token counts."""

from __future__ import annotations

import click

from latmodel.catalogue import read_profile
from latmodel.errors import LatmodelError
from latmodel.workload import DTYPES
from latmodel.workloads import find_workload

__all__ = ["predict"]


@click.command(
    epilog="Example: latmodel predict --device-profile jetson --tokens 197 --tokens 128"
)
@click.option("--model", default="deit_small_patch16_224", show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), default="fp32", show_default=True)
@click.option("--device-profile", required=True, help="A file, or a shipped profile's name.")
@click.option("--tokens", type=int, multiple=True, help="Counts; by default the full one.")
def predict(
    model: str, batch: int, dtype: str, device_profile: str, tokens: tuple[int, ...]
) -> None:
    """Predict the latency of a model that is cut in its first block."""
    profile = read_profile(device_profile)
    workload = find_workload(model, batch=batch, dtype=dtype)
    table = profile.table(workload)
    for count in tokens or (workload.tokens,):
        if not table.counts[0] <= count <= table.counts[-1]:
            raise LatmodelError(
                f"--tokens is {count}: {model} runs {table.counts[0]} to {table.counts[-1]}"
            )
        schedule = (count,) * workload.depth
        latency_ns, spread = table.latency_ns(schedule), table.relative_error_of(schedule)
        click.echo(f"{count:5d} tokens  {latency_ns / 1e6:10.3f} ms  +- {spread:.1%}")
    click.echo(f"{profile.device}; {table.origin}; confidence {profile.confidence}", err=True)
    for warning in (*profile.warnings, *table.warnings):
        click.echo(f"warning: {warning}", err=True)
