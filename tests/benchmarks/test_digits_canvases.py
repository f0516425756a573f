"""Canvases of handwritten digits: repeatable, and never of both sides of the split."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Load = Callable[[str], Any]


@pytest.fixture(scope="module")
def canvases(benchmark_file: Load) -> Any:
    return benchmark_file("digits_canvases")


@pytest.fixture(scope="module")
def held_out(canvases: Any) -> Any:
    return canvases.load_split(held_out=True)


def test_shapes(canvases: Any, held_out: Any) -> None:
    drawn = canvases.draw_canvases(held_out, 70, seed=0)
    assert (drawn.images.shape, drawn.images.dtype) == ((70, 56, 56), np.uint8)
    assert (drawn.labels.shape, drawn.boxes.shape) == ((70,), (70, 4))
    assert set(drawn.labels.tolist()) == set(range(10))
    assert (canvases.SIDE // canvases.PATCH) ** 2 == 196


def test_same_seed_same_canvases_and_more_only_add(canvases: Any, held_out: Any) -> None:
    few, many, other = (
        canvases.draw_canvases(held_out, count, seed=seed)
        for count, seed in ((70, 3), (200, 3), (70, 4))
    )
    for one, two in zip(few, many, strict=True):
        assert np.array_equal(one, two[:70])
    same = (few.images == other.images).all(axis=(1, 2))
    assert not same.any()
    assert len({image.tobytes() for image in many.images}) == 200


@pytest.mark.parametrize("side", [False, True])
def test_no_digit_of_the_other_side_is_drawn(canvases: Any, side: bool) -> None:
    """Neither whole nor as a piece, where there are pieces in plenty."""
    one, other = (canvases.load_split(held_out=held) for held in (side, not side))
    assert (len(one.labels), len(other.labels)) == ((382, 1400) if side else (1400, 382))
    assert not set(one.indices) & set(other.indices)
    drawn = canvases.draw_canvases(one, 640, seed=5)
    used = set(drawn.sources.ravel().tolist()) - {-1}
    assert len(used) > 0.7 * len(one.indices)
    assert used <= set(one.indices.tolist())
    assert np.mean(drawn.sources[:, 1:] >= 0) > 0.5


def test_held_out_digits_begin_with_a_form(canvases: Any, held_out: Any) -> None:
    """Each form asks for the same digits: where they begin again, another one does."""
    training = canvases.load_split(held_out=False).labels
    assert training[:36].tolist() == [*range(10)] * 3 + [0, 9, 5, 5, 6, 5]
    assert held_out.labels[:36].tolist() == training[:36].tolist()
    assert held_out.indices[0] == 1415


def test_pieces_come_from_the_digits_given(canvases: Any, held_out: Any) -> None:
    """Without their ink all pieces are empty: no other ink is drawn in their place."""
    empty = held_out._replace(images=np.zeros_like(held_out.images))
    layer = np.zeros((64, 56, 56), np.float32)
    rng = np.random.default_rng(0)
    chosen, shown = canvases._pieces(layer, empty, rng, np.ones(64))
    assert shown.mean() > 0.9
    assert not layer.any()
    canvases._pieces(layer, held_out, np.random.default_rng(0), np.ones(64))
    assert layer.any(axis=(1, 2)).all()
    assert chosen.max() < 382


def test_labels_are_those_of_the_digits_drawn(canvases: Any, held_out: Any) -> None:
    drawn = canvases.draw_canvases(held_out, 300, seed=6)
    assert np.array_equal(drawn.labels, held_out.labels[drawn.sources[:, 0] - 1415])


def test_a_plain_canvas_is_one_digit_within_its_box(canvases: Any, held_out: Any) -> None:
    """Difficulty 0: nothing but ink, and all but hairs of it in the box; 1: much else."""
    inside = []
    for hard in (0.0, 1.0):
        drawn = canvases.draw_canvases(held_out, 200, seed=7, difficulty=hard, varied=0.0)
        ink = drawn.images > 110
        within = np.zeros_like(ink)
        for mask, (left, top, right, bottom) in zip(within, drawn.boxes, strict=True):
            mask[top:bottom, left:right] = True
        assert (ink & within).any(axis=(1, 2)).all()
        inside.append((ink & within).sum() / ink.sum())
    assert inside[0] > 0.99
    assert 0.3 < inside[1] < 0.8


def test_most_patches_are_background_and_places_differ(canvases: Any, held_out: Any) -> None:
    drawn = canvases.draw_canvases(held_out, 300, seed=8)
    spread = drawn.images.reshape(-1, 14, 4, 14, 4).std(axis=(2, 4))
    assert (spread > 35).mean() < 0.3
    left, top, right, bottom = drawn.boxes.T
    assert np.all((right - left >= 16) & (right - left <= 36))
    assert np.ptp(left) > 30
    assert np.ptp(top) > 30
    assert np.all((left >= 0) & (top >= 0) & (right <= 56) & (bottom <= 56))


def test_difficulty_has_bounds(canvases: Any, held_out: Any) -> None:
    said = "difficulty is 1.5: allowed is 0, plain, to 1, cluttered"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        canvases.draw_canvases(held_out, 1, seed=0, difficulty=1.5)


def test_a_folder_of_them(
    benchmark_file: Load,
    canvases: Any,
    held_out: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every byte as drawn, in the class's folder; and never into a full folder."""
    folder = benchmark_file("digits_folder")
    out = tmp_path / "them"
    monkeypatch.setattr("sys.argv", ["x", "--out", str(out), "--images", "30", "--seed", "2"])
    folder.main()
    assert capsys.readouterr().out == f"{out}: 30 canvases of held-out digits\n"
    assert sorted(path.name for path in out.iterdir()) == list("0123456789")
    drawn = canvases.draw_canvases(held_out, 30, seed=2)
    files = sorted(out.glob("*/*.png"), key=lambda path: path.name)
    assert len(files) == 30
    for i, path in enumerate(files):
        assert path.name == f"{i:05}-{drawn.sources[i, 0]}.png"
        assert path.parent.name == str(drawn.labels[i])
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), drawn.images[i])
    with pytest.raises(SystemExit) as ended:
        folder.main()
    assert ended.value.code == 2
    said = f"{out}: is not empty; name a new folder, or empty this one\n"
    assert capsys.readouterr().err.endswith(said)
