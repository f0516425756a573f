"""A progress bar that is drawn between readings, never during one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from latmodel.measuring import OnProgress

__all__ = ["bar"]

_EVERY_S = 0.2


@contextmanager
def bar(talk: Console, name: str) -> Iterator[OnProgress]:
    """A bar for each phase of a probe, with the time left; timing may end earlier.

    Nothing is drawn in the background: on a machine of two cores, a thread that draws
    takes time from what is timed.

    Args:
        talk: where it is drawn.
        name: of what is measured.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[bound]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=talk, transient=True, auto_refresh=False) as progress:
        task, phase_now, drawn_s = progress.add_task(name, total=1.0, bound="about"), "", 0.0

        def on_progress(phase: str, what: str, done: float) -> None:
            nonlocal phase_now, drawn_s
            if phase != phase_now:
                progress.reset(task, total=1.0)
                phase_now = phase
            # Choosing goes at the pace of what was read; timing has a limit in seconds.
            bound = "at most" if phase.startswith("timing") else "about"
            words = f"{name}: {phase}: {what}"
            progress.update(task, completed=done, description=words, bound=bound)
            if monotonic() - drawn_s >= _EVERY_S:
                drawn_s = monotonic()
                progress.refresh()

        yield on_progress
