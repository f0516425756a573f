"""`load_images` by name: what a folder or a tar holds, in order, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform

from optimizer.errors import ImagesError
from optimizer.images.loading import load_images
from tests.optimizer.images.folders import (
    labels,
    model,
    pack,
    refused,
    shades,
    write_classes,
    write_flat,
    write_image,
)

MODEL = model()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """5 classes of 3, 1, 2, 1, 1 images, in which 10.png comes after 2.png."""
    write_classes(tmp_path / "set", 3, 1, 2, 1, 1)
    return tmp_path / "set"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_folder_and_its_tar_give_the_same(folder: Path, packed: bool, workers: int) -> None:
    source = pack(folder) if packed else folder
    images = load_images(source, MODEL, batch=3, workers=workers)
    assert (len(images), images.labelled, images.remarks) == (8, True, ())
    assert [len(batch) for batch in images.batches()] == [3, 3, 2]
    assert shades(images) == list(range(8))
    assert labels(images) == [0, 0, 0, 1, 2, 2, 3, 4]


def test_images_can_be_read_again(folder: Path) -> None:
    images = load_images(folder, MODEL)
    assert shades(images) == shades(images) == list(range(8))


@pytest.mark.parametrize("packed", [False, True])
def test_a_flat_folder_has_no_labels(tmp_path: Path, packed: bool) -> None:
    place = write_flat(tmp_path / "flat", 4)
    images = load_images(pack(place) if packed else place, MODEL)
    assert not images.labelled
    assert shades(images) == [0, 1, 2, 3]
    assert [batch.labels for batch in images.batches()] == [None]


def test_a_single_folder_within_is_no_class(tmp_path: Path) -> None:
    """As where a tar was made of a flat folder from outside of it."""
    place = write_classes(tmp_path / "set", 3)
    assert not load_images(place, MODEL).labelled
    assert labels(load_images(place, MODEL, class_map={"class0": 2})) == [2, 2, 2]


def test_labels_may_be_left_out(folder: Path) -> None:
    images = load_images(folder, MODEL, labelled=False)
    assert not images.labelled
    assert next(images.batches()).labels is None


def test_a_limit_spreads_over_all_classes(tmp_path: Path) -> None:
    place = write_classes(tmp_path / "set", 10, 10, 10, 10, 10)
    images = load_images(place, MODEL, limit=10)
    assert (len(images), images.count) == (10, 10)
    assert labels(images) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert shades(images) == shades(load_images(place, MODEL, limit=10))


def test_a_split_is_a_folder_in_the_folder(tmp_path: Path) -> None:
    """Timm takes that of validation where none is named."""
    write_classes(tmp_path / "train", 1, 1, 1, 1, 1, start=10)
    write_classes(tmp_path / "val", 1, 1, 1, 1, 1, start=20)
    assert shades(load_images(tmp_path, MODEL)) == [20, 21, 22, 23, 24]
    assert shades(load_images(tmp_path, MODEL, split="train")) == [10, 11, 12, 13, 14]
    assert refused(tmp_path, split="test") == (
        f"split is 'test', and {tmp_path} has no folder of that name"
    )


def test_a_tar_has_no_split(folder: Path) -> None:
    tar = pack(folder)
    assert refused(tar, split="val") == (
        f"split is 'val', and {tar} is a file: leave split out"
    )


def test_the_transform_is_the_models_own(tmp_path: Path) -> None:
    """Size, crop, mean and standard deviation: as timm's own factory makes of its config."""
    noise = torch.randint(0, 256, (200, 300, 3), dtype=torch.uint8)
    write_image(tmp_path / "0.png", 0)
    Image.fromarray(noise.numpy()).save(tmp_path / "0.png")
    vit = timm.create_model("test_vit")
    resolve: Any = resolve_model_data_config
    config = resolve(vit)
    wanted = create_transform(**config)(Image.fromarray(noise.numpy()))
    images = load_images(tmp_path, vit)
    assert images.remarks == ()
    assert torch.equal(next(images.batches()).images[0], wanted)


def test_a_model_built_for_another_size_gets_that(tmp_path: Path) -> None:
    place = write_flat(tmp_path, 1)
    images = load_images(place, timm.create_model("test_vit", img_size=96))
    assert next(images.batches()).images.shape == (1, 3, 96, 96)


def test_a_model_that_says_nothing_of_its_images_is_remarked(tmp_path: Path) -> None:
    plain = model()
    del plain.pretrained_cfg
    assert load_images(write_flat(tmp_path, 1), plain).remarks == (
        "the model does not say how its images are resized and normalised (it has no "
        "pretrained_cfg): timm's defaults, ImageNet's, are taken",
    )


def test_grey_models_take_grey_images(tmp_path: Path) -> None:
    grey = model(in_chans=1)
    place = write_flat(tmp_path, 2)
    assert refused(place, model=grey) == (
        "transform: the model's channels are 1, and its mean has 3: give a transform of your "
        "own"
    )
    grey.pretrained_cfg = {"mean": (0,), "std": (1,), "crop_pct": 1.0}
    images = load_images(place, grey)
    assert next(images.batches()).images.shape == (2, 1, 32, 32)


def test_a_transform_of_ones_own(tmp_path: Path) -> None:
    place = write_flat(tmp_path, 2)
    images = load_images(place, MODEL, transform=lambda _: torch.full((3, 32, 32), 0.5))
    assert float(next(images.batches()).images.mean()) == 0.5


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_named_and_not_skipped(folder: Path, workers: int) -> None:
    """Timm itself would take the next image in its place."""
    broken = folder / "class2" / "1.png"
    broken.write_bytes(broken.read_bytes()[:60])
    said = refused(folder, workers=workers)
    assert said.startswith(f"{broken}: no image that can be read (")
    assert said.endswith("): mend it or take it away")


def test_a_broken_image_in_a_tar_is_named(folder: Path) -> None:
    (folder / "class2" / "1.png").write_text("no image", encoding="utf-8")
    tar = pack(folder)
    assert refused(tar) == (
        f"{tar}/class2/1.png: is none of PNG, JPEG, WEBP, BMP, GIF, TIFF: mend it or take it "
        "away"
    )


def test_an_image_that_went_away_is_named(folder: Path) -> None:
    images = load_images(folder, MODEL)
    (folder / "class0" / "2.png").unlink()
    with pytest.raises(ImagesError) as caught:
        list(images.batches())
    assert str(caught.value) == (
        f"{folder / 'class0' / '2.png'}: cannot be opened (No such file or directory)"
    )


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_an_empty_source_is_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "empty"
    place.mkdir()
    place = pack(place) if kind == "tar" else place
    assert refused(place) == (
        f"images {place}: holds no image; timm finds files that end in .jpeg, .jpg, .png, "
        "whose class folders the class map names where there is one"
    )


def test_no_such_source_is_refused(tmp_path: Path) -> None:
    give = (
        "give a folder of images or of class folders, a .tar of one, or timm's name with "
        "hfds/, hfids/, tfds/, torch/, wds/"
    )
    absent = tmp_path / "absent"
    assert refused(absent) == f"images {absent}: no such folder or .tar; {give}"
    text = tmp_path / "list.txt"
    text.touch()
    assert refused(text) == f"images {text}: is no .tar; {give}"


def test_a_file_that_is_no_tar_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "a.tar"
    place.write_text("no tar", encoding="utf-8")
    assert refused(place).startswith(f"images {place}: cannot be opened (")


def test_an_image_beside_class_folders_is_refused(folder: Path) -> None:
    """Timm would take it for a class, and every number after it would be one too high."""
    write_image(folder / "stray.png", 0)
    assert refused(folder) == (
        f"images {folder}: stray.png lies beside the class folders, and timm would take what "
        "lies there for a class: move it into one"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 0}, "limit is 0: must be 1 or more"),
        ({"batch": 0}, "batch is 0: must be 1 or more"),
        ({"workers": -1}, "workers is -1: must be 0 or more"),
    ],
)
def test_numbers_out_of_range_are_refused(
    folder: Path, options: dict[str, int], said: str
) -> None:
    assert refused(folder, **options) == said


def test_a_library_that_timm_lacks_is_named() -> None:
    assert refused("tfds/nothing").startswith("images tfds/nothing: timm cannot open it (")


def test_torchvisions_data_sets_come_through_timm(folder: Path) -> None:
    images = load_images("torch/image_folder", MODEL, root=folder)
    assert (images.name, len(images)) == ("torch/image_folder", 8)
    assert labels(images) == [0, 0, 0, 1, 2, 2, 3, 4]
    assert shades(images) == list(range(8))
