"""Images of files are read with care."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from optimizer.errors import PictureError
from optimizer.pruning.picturing import made_up_photograph, read_photograph

ALLOWED = "allowed are PNG, JPEG, WEBP, BMP, GIF, TIFF"


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "gif", "tiff"])
def test_common_formats_are_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"it.{ending}"
    made_up_photograph(64, 48).save(path)
    found = read_photograph(path)
    assert (found.size, found.mode) == ((64, 48), "RGB")
    difference = np.asarray(found).astype(int) - np.asarray(made_up_photograph(64, 48))
    assert abs(difference).mean() < 12


def test_a_photograph_is_upright_as_its_camera_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    made_up_photograph(64, 48).save(tmp_path / "it.jpg", exif=exif)
    assert read_photograph(tmp_path / "it.jpg").size == (48, 64)


def test_grey_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    for mode in ("L", "RGBA", "P", "1", "LA"):
        Image.new(mode, (9, 5)).save(tmp_path / "it.png")
        assert read_photograph(tmp_path / "it.png").mode == "RGB"


def test_the_made_up_one_is_the_same_each_time() -> None:
    first, again = (np.asarray(made_up_photograph()) for _ in range(2))
    assert first.shape == (480, 480, 3)
    assert np.array_equal(first, again)
    assert first.std() > 30


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PictureError) as caught:
        read_photograph(tmp_path / "none.png")
    assert str(caught.value) == f"{tmp_path}/none.png: no such image file"


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(PictureError) as caught:
        read_photograph(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no image that can be read (Is a directory); {ALLOWED}"
    )


def whole(path: Path) -> bytes:
    made_up_photograph(64, 48).save(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"not an image at all",
        lambda data: data[: len(data) // 2],
        lambda data: data[:60] + bytes(40) + data[100:],
        # A program for a printer, which Pillow would give to another to run.
        lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
    ],
    ids=["empty", "text", "half", "holed", "eps"],
)
def test_a_broken_image_ends_in_one_line(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "it.png"
    path.write_bytes(damage(whole(path)))  # type: ignore[operator]
    with pytest.raises(PictureError) as caught:
        read_photograph(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: no image that can be read (")
    assert said.endswith(f"); {ALLOWED}")
    assert "\n" not in said


def test_formats_that_are_not_named_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "it.ppm"
    whole(path)
    with pytest.raises(PictureError) as caught:
        read_photograph(path)
    assert str(caught.value) == (
        f"{path}: no image that can be read (cannot identify image file '{path}'); {ALLOWED}"
    )


def test_more_pixels_than_pillow_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it.png"
    whole(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(PictureError, match="exceeds limit of 2000 pixels"):
        read_photograph(path)
