"""`latmodel probe`: measure this machine."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from latmodel.catalogue import write_profile
from latmodel.files import require_target
from latmodel.measuring import probe_count, probe_profile
from latmodel.workload import DTYPES

__all__ = ["probe"]


@click.command(epilog="Example: latmodel probe --model deit_small_patch16_224 --out here.yaml")
@click.option("--model", default="deit_small_patch16_224", show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), default="fp32", show_default=True)
@click.option("--device", default=None, help="cpu or cuda; by default CUDA where there is one.")
@click.option("--max-probes", type=click.IntRange(min=2), default=24, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write.")
def probe(
    model: str, batch: int, dtype: str, device: str | None, max_probes: int, out: Path
) -> None:
    """Time a model's parts on this machine and write a device profile."""
    require_target(out)
    talk = Console(stderr=True)
    with talk.status("building the model"):
        # Seconds of imports, so only once the arguments are known to be good.
        from latmodel.runtimes.torch_eager import TorchEager  # noqa: PLC0415

        timer = TorchEager(model, batch=batch, dtype=dtype, device=device)
    with Progress(console=talk, transient=True) as progress:
        task = progress.add_task("warming up", total=probe_count(max_probes))

        def on_probe(part: str) -> None:
            progress.update(task, advance=1, description=f"timing {part}")

        profile = probe_profile(timer, name=out.stem, max_probes=max_probes, on_probe=on_probe)
    write_profile(out, profile)
    for warning in profile.warnings:
        click.echo(f"warning: {warning}", err=True)
    dense_ms = profile.table(timer.workload).dense_ns / 1e6
    click.echo(
        f"{out}: {model} at batch {batch} on {profile.device}: {dense_ms:.2f} ms unpruned; "
        f"the sum of the parts is {profile.errors[0].mean_percent:.1f} % from the whole"
    )
