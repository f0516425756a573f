from __future__ import annotations

import sys
from pathlib import Path

import pytest

from latmodel.catalogue import write_profile
from tests.latmodel.cli.command import Answer, latmodel_command
from tests.latmodel.stairs import STAIRS_PROFILE, TWO_BATCHES

EDGES = (
    "   64 to 65 tokens +36.0%, tile of 64 rows in the MLP\n"
    "   72 to 74 tokens -20.0%, kernel switch, place not measured\n"
    "   96 to 97 tokens +25.0%, tile of 32 rows in the MLP\n"
)
SAID = (
    f"Stair Board, 10 W; test_vit, batch 1, fp32: measured at 8 of 101 counts\n{EDGES}"
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the command runs, with a profile in it."""
    write_profile(tmp_path / "stairs.yaml", STAIRS_PROFILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plot(capsys: pytest.CaptureFixture[str], *args: object) -> Answer:
    return latmodel_command(capsys, "plot", *(str(arg) for arg in args))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_both_forms_are_drawn_in_the_folder_where_one_is(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    """Not beside the profile, which may be shipped, or in a folder of someone else."""
    (folder / "far").mkdir()
    (folder / "stairs.yaml").rename(folder / "far" / "stairs.yaml")
    answer = plot(capsys, "far/stairs.yaml")
    assert answer == Answer(
        0, f"stairs.png, stairs.svg: {SAID}", "warning: the fan was off\n"
    )  # fmt: skip
    assert names(folder) == {"far", "stairs.png", "stairs.svg"}
    assert names(folder / "far") == {"stairs.yaml"}
    assert (folder / "stairs.png").read_bytes().startswith(b"\x89PNG")
    assert "64→65 +36 %" in (folder / "stairs.svg").read_text(encoding="utf-8")


def test_out_says_where_and_its_ending_how(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    answer = plot(capsys, "stairs.yaml", "--out", "a.svg", "--out", "b.SVG")
    assert (answer.status, answer.out) == (0, f"a.svg, b.SVG: {SAID}")
    assert names(folder) == {"stairs.yaml", "a.svg", "b.SVG"}
    assert (folder / "a.svg").read_bytes() == (folder / "b.SVG").read_bytes()


def test_dense_samples_are_compared_with(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "dense.csv").write_text("tokens,latency_ms\n1,1.0\n64,0.8\n96,1.088\n")
    answer = plot(capsys, "stairs.yaml", "--dense", "dense.csv", "--out", "a.svg")
    assert answer.out == (
        f"a.svg: {SAID}dense.csv: 3 samples, from which the curve differs by 8.3% in the mean, "
        "22.5% at the 95th percentile\n"
    )


def test_edges_are_named_as_asked(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    answer = plot(capsys, "stairs.yaml", "--edges", 1, "--threshold", 0.2, "--out", "a.svg")
    assert answer.out.splitlines()[1:] == [
        "   64 to 65 tokens +36.0%, tile of 64 rows in the MLP",
        "      1 more edges are not named",
    ]
    assert "edge of 20 % or more; 1 more not named" in (folder / "a.svg").read_text()


def test_a_shipped_profile_is_composed_by_its_name(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    answer = plot(capsys, "jetson", "--model", "vit_base_patch16_224", "--batch", 4)
    assert answer.status == 0
    assert answer.out.startswith("jetson.png, jetson.svg: NVIDIA Jetson AGX Orin 64GB, ")
    assert (
        "; vit_base_patch16_224, batch 4, fp32: composed from operators, not measured, "
    ) in answer.out
    # Those of the profile, then those of the table.
    assert "unlocked clocks" in answer.err
    assert "warning: asked outside the readings, " in answer.err
    assert names(folder) == {"stairs.yaml", "jetson.png", "jetson.svg"}


@pytest.mark.usefixtures("folder")
def test_one_of_several_workloads_is_chosen(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_profile(tmp_path / "two.yaml", TWO_BATCHES)
    assert plot(capsys, "two.yaml") == Answer(
        2,
        "",
        "latmodel: profile 'two' holds 2 workloads that fit: test_vit, batch 1, fp32; "
        "test_vit, batch 8, fp32; choose one by model, batch and dtype\n",
    )
    answer = plot(capsys, "two.yaml", "--batch", 8, "--out", "a.svg")
    assert "test_vit, batch 8, fp32: measured at" in answer.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--out", "a.pdf"), "a.pdf: found the ending '.pdf', allowed are .png and .svg"),
        (("--out", "a.svg", "--out", "b"), "b: found the ending '', allowed are .png and .svg"),
        (("--out", "none/a.svg"), "none/a.svg: cannot write: there is no folder none"),
        (("--dense", "none.csv"), "none.csv: No such file or directory"),
        (("--dense", "bad.csv"),
         "bad.csv: line 2, column latency_ms: found '-1', allowed is a number that is 1 ns or "
         "more and at most 9007199254740992 ns"),
        (("--dense", "far.csv"),
         "far.csv holds samples from 102 to 102 tokens, the curve spans 1 to 101: leave out "
         "those beyond it"),
        (("--batch", "3"),
         "profile 'stairs' holds no curve of any model, batch 3, any dtype and no operators "
         "to compose one from; it holds test_vit, batch 1, fp32"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_one_line_and_2_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], folder: Path, args: tuple[str, ...], message: str
) -> None:
    (folder / "bad.csv").write_text("tokens,latency_ms\n1,-1\n")
    (folder / "far.csv").write_text("tokens,latency_ms\n102,1\n")
    before = names(folder)
    assert plot(capsys, "stairs.yaml", *args) == Answer(2, "", f"latmodel: {message}\n")
    assert names(folder) == before


@pytest.mark.usefixtures("folder")
def test_a_profile_that_is_none_is_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    answer = plot(capsys, "none.yaml")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("latmodel: none.yaml: no such file and no shipped profile ")
    assert answer.err.count("\n") == 1


def test_without_matplotlib_one_line_names_the_extra(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = plot(capsys, "stairs.yaml")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith(
        "latmodel: a picture needs matplotlib, which this Python lacks: "
    )
    assert answer.err.endswith(": pip install 'token-budget[plot]'\n")
    assert answer.err.count("\n") == 1
    assert names(folder) == {"stairs.yaml"}
