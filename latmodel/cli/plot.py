"""`latmodel plot`: a picture of a device profile's latency curve."""

from __future__ import annotations

from pathlib import Path

import click

from latmodel.catalogue import read_profile
from latmodel.dense_samples import read_dense
from latmodel.picture import Picture, PlotSettings
from latmodel.picturing import picture_of_profile
from latmodel.plotting import ENDINGS, draw, require_picture_target, write_plot
from latmodel.workload import DTYPES

__all__ = ["plot"]

_FILE = click.Path(path_type=Path)


@click.command(epilog="Example: latmodel plot here.yaml --dense results.csv --out here.svg")
@click.argument("profile", metavar="PROFILE")
@click.option("--model", help="Whose curve; by default the one that was measured.")
@click.option("--batch", type=click.IntRange(min=1), help="The same by its batch.")
@click.option("--dtype", type=click.Choice(DTYPES), help="The same by its dtype.")
@click.option("--dense", type=_FILE, help="CSV to compare with: tokens, latency_ms (_us, _ns).")
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, min_open=True),
    default=0.05,
    show_default=True,
    help="Least height of an edge, as a fraction.",
)
@click.option(
    "--edges",
    type=click.IntRange(0, 12),
    default=8,
    show_default=True,
    help="Edges that are named at most.",
)
@click.option(
    "--out", type=_FILE, multiple=True, help="A .png or .svg; by default both, in this folder."
)
def plot(
    profile: str,
    model: str | None,
    batch: int | None,
    dtype: str | None,
    dense: Path | None,
    threshold: float,
    edges: int,
    out: tuple[Path, ...],
) -> None:
    """Draw a device profile's latency curve, as PNG or SVG.

    PROFILE is a file or a shipped profile's name. Without curves, its operators are composed
    for --model (deit_small_patch16_224), --batch (1) and --dtype (fp32, if known).
    """
    settings = PlotSettings(threshold=threshold, most_steps=edges)
    read = read_profile(profile)
    targets = out or tuple(Path(f"{read.name}{ending}") for ending in ENDINGS)
    for target in targets:
        require_picture_target(target)
    picture = picture_of_profile(
        read,
        model=model,
        batch=batch,
        dtype=dtype,
        samples=None if dense is None else read_dense(dense),
        settings=settings,
    )
    figure = draw(picture)
    for target in targets:
        write_plot(target, figure)
    click.echo(f"{', '.join(map(str, targets))}: {_in_words(picture)}")
    for warning in (*read.warnings, *picture.warnings):
        click.echo(f"warning: {warning}", err=True)


def _in_words(picture: Picture) -> str:
    """What the picture shows, for who reads the terminal alone."""
    lines = [f"{picture.captions.title}; {picture.captions.subtitle}"]
    for step in picture.steps:
        cause = f", {step.cause}" if step.cause else ""
        place = "" if step.located else ", place not measured"
        lines.append(f"{step.first:5d} to {step.last} tokens {step.size:+.1%}{cause}{place}")
    if picture.unnamed:
        lines.append(f"      {picture.unnamed} more edges are not named")
    if picture.samples is not None:
        mean, most = picture.sample_errors()
        lines.append(
            f"{picture.samples.name}: {len(picture.samples.counts)} samples, from which the "
            f"curve differs by {mean:.1%} in the mean, {most:.1%} at the 95th percentile"
        )
    return "\n".join(lines)
