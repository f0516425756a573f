"""Whether the classes of a folder are the classes of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.images.loading import load_images
from tests.optimizer.images.folders import (
    labels,
    model,
    refused,
    write_classes,
    write_flat,
)

MODEL = model()


def test_more_classes_than_the_models_are_refused(tmp_path: Path) -> None:
    place = write_classes(tmp_path / "set", 1, 1, 1, 1, 1, 1)
    assert refused(place) == (
        f"images {place}: has 6 classes, from 'class0' to 'class5', and the model 5: give the "
        "images that it was trained for, a class_map, or labelled=False to leave labels out"
    )
    assert len(load_images(place, MODEL, labelled=False)) == 6


def test_fewer_classes_are_remarked_and_a_map_tells_which(tmp_path: Path) -> None:
    place = write_classes(tmp_path / "set", 1, 2)
    images = load_images(place, MODEL)
    assert images.remarks == (
        f"{place} has 2 classes and the model 5: timm numbers them from 0 in the order of "
        "their names; where the model does not, give a class_map",
    )
    mapped = load_images(place, MODEL, class_map={"class0": 4, "class1": 2})
    assert (mapped.remarks, labels(mapped)) == ((), [4, 2, 2])
    names = tmp_path / "names.txt"
    names.write_text("other\nclass1\nclass0\n", encoding="utf-8")
    assert labels(load_images(place, MODEL, class_map=names)) == [2, 1, 1]


def test_a_class_map_outside_the_model_is_refused(tmp_path: Path) -> None:
    place = write_classes(tmp_path / "set", 1, 1)
    said = refused(place, class_map={"class0": 0, "class1": 5})
    assert said == (
        f"{place}/class1/0.png: its label is 5, the model's classes are 0 to 4: give the "
        "images that it was trained for, or labelled=False to leave labels out"
    )


@pytest.mark.parametrize("text", ["", "a\n\nb\n", "a\na\n"])
def test_a_class_map_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    names = tmp_path / "names.txt"
    names.write_text(text, encoding="utf-8")
    assert refused(write_flat(tmp_path / "flat", 1), class_map=names) == (
        f"class_map {names}: must hold the name of a class folder in each line, each once"
    )


def test_labels_that_are_not_there_are_refused(tmp_path: Path) -> None:
    place = write_flat(tmp_path, 1)
    assert refused(place, labelled=True) == (
        f"labelled is True, and {place} has no class folders, or one alone: put each class's "
        "images into a folder of its own, or give a class_map"
    )


def test_a_model_without_classes_takes_no_labels(folder: Path) -> None:
    headless = model(num_classes=0)
    assert not load_images(folder, headless).labelled
    assert refused(folder, model=headless, labelled=True) == (
        "labelled is True, and the model has no classes: leave labels out"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_classes(tmp_path / "set", 3, 1, 2, 1, 1)
