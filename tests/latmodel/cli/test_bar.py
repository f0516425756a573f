from __future__ import annotations

import threading
from io import StringIO

import pytest
from rich.console import Console

from latmodel.cli.bar import bar


def drawn(phase: str, what: str, *fractions: float) -> str:
    """All that a terminal was sent."""
    terminal = StringIO()
    talk = Console(file=terminal, force_terminal=True, width=120, color_system=None)
    with bar(talk, "here.yaml") as on_progress:
        for fraction in fractions:
            on_progress(phase, what, fraction)
    return terminal.getvalue()


@pytest.mark.parametrize(
    ("phase", "what", "bound"),
    [
        ("choosing counts", "mlps at 64 tokens", "about"),
        ("timing 38 counts", "round 3", "at most"),
    ],
)
def test_a_bar_says_what_goes_on_and_how_sure_its_time_is(
    phase: str, what: str, bound: str
) -> None:
    said = drawn(phase, what, 0.0)
    assert f"here.yaml: {phase}: {what}" in said
    assert f" {bound} " in said


def test_nothing_is_drawn_while_something_is_timed() -> None:
    """No thread is started that could take the processor from it."""
    before = threading.active_count()
    with bar(Console(file=StringIO(), force_terminal=True), "here.yaml") as on_progress:
        on_progress("timing 9 counts", "round 1", 0.5)
        assert threading.active_count() == before
