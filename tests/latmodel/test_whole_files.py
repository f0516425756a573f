from __future__ import annotations

from pathlib import Path

import pytest

from latmodel.errors import ProfileError
from latmodel.whole_files import placed_whole


def test_a_file_and_what_is_beside_it_are_moved_together(tmp_path: Path) -> None:
    path = tmp_path / "it.onnx"
    path.write_text("before")
    with placed_whole(path, beside=(".data",)) as inside:
        inside.write_text("after")
        inside.with_name("it.onnx.data").write_text("weights")
        inside.with_name("other").write_text("goes")
        assert path.read_text() == "before"
    assert {item.name: item.read_text() for item in tmp_path.iterdir()} == {
        "it.onnx": "after",
        "it.onnx.data": "weights",
    }


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "it.onnx"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError), placed_whole(path) as inside:
        inside.write_text("half a pair: \ud800", encoding="utf-8")
    assert [(item.name, item.read_text()) for item in tmp_path.iterdir()] == [
        ("it.onnx", "before")
    ]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "it")
    with placed_whole(tmp_path / "link") as inside:
        inside.write_text("after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "it").read_text() == "after"


def test_what_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "it.data").mkdir()
    with (
        pytest.raises(ProfileError) as refused,
        placed_whole(tmp_path / "it", beside=(".data",)),
    ):
        pytest.fail("nothing is to be done before the place is known to be good")
    assert str(refused.value) == f"{tmp_path}/it.data: cannot write: Is a directory"
    with pytest.raises(ProfileError) as empty, placed_whole(tmp_path / "none"):
        pass
    assert str(empty.value) == f"{tmp_path}/none: cannot write: No such file or directory"
