from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from latmodel.plotting import write_plot
from optimizer.plotting import draw_tradeoff
from tests.optimizer.test_tradeoff import MADE, POINTS


def line_of(figure: Figure, gid: str) -> Line2D:
    (axes,) = figure.axes
    (line,) = (line for line in axes.lines if line.get_gid() == gid)
    return line


def drawn(figure: Figure, gid: str) -> list[tuple[float, float]]:
    line = line_of(figure, gid)
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))  # type: ignore[arg-type]


def words_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in (*figure.texts, *legend.get_texts())]


def test_the_staircase_is_what_each_budget_gives() -> None:
    """A step up at each point, to the right of it what it keeps; to the unpruned model."""
    figure = draw_tradeoff(MADE)
    at_points = [(p.latency_ms, 100 * p.schedule.kept_fraction) for p in POINTS]
    assert drawn(figure, "frontier") == [*at_points, (5.0, 100.0)]
    assert line_of(figure, "frontier").get_drawstyle() == "steps-post"
    assert drawn(figure, "dense") == [(5.0, 100)]
    assert drawn(figure, "rival-0") == [(2.6, 70.0), (5.0, 100.0), (5.0, 100.0)]


def test_a_budget_is_marked_with_what_it_gives() -> None:
    figure = draw_tradeoff(MADE, budget_ns=2_000_000)
    assert drawn(figure, "budget") == [(2.0, 0), (2.0, 1)]
    assert drawn(figure, "chosen") == [(1.9, 50.0)]
    assert "1.90 ms keeps 50.0 %" in words_of(figure)
    assert "budget 2.00 ms" in words_of(figure)


def test_a_budget_that_nothing_meets_is_marked_alone() -> None:
    figure = draw_tradeoff(MADE, budget_ns=500_000)
    assert drawn(figure, "budget")
    (axes,) = figure.axes
    assert "chosen" not in {line.get_gid() for line in axes.lines}


def test_a_large_budget_is_inside_the_picture() -> None:
    figure = draw_tradeoff(MADE, budget_ns=9_000_000)
    assert drawn(figure, "frontier")[-1] == (9.0, 100.0)
    assert drawn(figure, "chosen") == [(5.0, 100.0)]


def test_words_say_what_is_drawn() -> None:
    words = words_of(draw_tradeoff(MADE))
    assert words[0] == "a sheet of paper"
    assert words[1] == "test_vit, batch 1, fp32: 5 schedules, each the best for some budget"
    assert set(words[2:]) == {"one cut (POMT)", "proved optimal", "unpruned"}
    strange = draw_tradeoff(replace(MADE, device="x" * 200 + "\x01"))
    assert words_of(strange)[0] == "x" * 79 + "…"


def test_nothing_leaves_the_picture_or_covers_the_axes() -> None:
    rivals = tuple(replace(MADE.rivals[0], method=f"method {k}") for k in range(4))
    figure = draw_tradeoff(replace(MADE, rivals=rivals), budget_ns=2_000_000)
    figure.draw_without_rendering()
    (legend,), (axes,) = figure.legends, figure.axes
    box = legend.get_window_extent()
    assert 0 <= box.x0 <= box.x1 <= 1200
    assert 0 <= box.y0 <= box.y1 <= axes.xaxis.label.get_window_extent().y0


@pytest.mark.parametrize("name", ["it.svg", "it.png"])
def test_the_same_trade_off_is_the_same_bytes(tmp_path: Path, name: str) -> None:
    written = []
    for _ in range(2):
        write_plot(tmp_path / name, draw_tradeoff(MADE, budget_ns=2_000_000))
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
