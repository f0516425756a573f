"""Every method's frontier, a panel for each device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from accuracy_methods import OURS

if TYPE_CHECKING:
    from pathlib import Path

    from accuracy_scoring import Point

__all__ = ["draw_frontiers"]


def draw_frontiers(devices: Mapping[str, Mapping[str, Sequence[Point]]], path: Path) -> None:
    """Draw accuracy over latency.

    Args:
        devices: by name, each method's settings.
        path: a .png or .svg file.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (an extra)

    figure = Figure(figsize=(4.4 * len(devices), 4), layout="constrained")
    panels = figure.subplots(1, len(devices), sharey=True, squeeze=False)[0]
    for panel, (device, methods) in zip(panels, devices.items(), strict=True):
        for name, points in methods.items():
            ordered = sorted(points, key=lambda one: one.share)
            ours = name in OURS
            panel.plot(
                [100 * one.share for one in ordered],
                [100 * one.right.mean() for one in ordered],
                marker="o" if ours else ".",
                markersize=4,
                linewidth=2 if ours else 1,
                linestyle="-" if ours else "--",
                label=name,
            )
        panel.set_title(device, fontsize=10)
        panel.set_xlabel("latency, % of the uncut model's")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy on held-out digits, %")
    panels[-1].legend(fontsize=8)
    figure.savefig(path, dpi=110)
