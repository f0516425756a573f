from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
import torch

from latmodel import timing
from latmodel.catalogue import read_profile
from latmodel.measurement import Measurement
from latmodel.runtimes.torch_eager import TorchEager
from latmodel.workloads import find_workload
from tests.latmodel.cli.command import Answer, latmodel_command

SMALL = ("--model", "test_vit", "--device", "cpu", "--max-probes", "3")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A model this small only waits for its own threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def probe(capsys: pytest.CaptureFixture[str], *args: object) -> Answer:
    return latmodel_command(capsys, "probe", *(str(arg) for arg in args))


def test_probing_this_machine_writes_a_profile_that_answers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """End to end: time the smallest timm ViT, write, read back, predict."""
    place = tmp_path / "here.yaml"
    answer = probe(capsys, *SMALL, "--out", place)
    assert answer.status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["here.yaml"]
    profile = read_profile(place)
    (curves,) = profile.curves
    assert curves.workload == find_workload("test_vit")
    assert [len(c.probes) for c in (curves.blocks, curves.mlps, curves.cut)] == [3, 3, 3]
    assert all(len(probe.samples_ns) == 15 for probe in curves.blocks.probes)
    environment = profile.environment
    assert environment is not None
    assert (environment.runtime, environment.threads) == ("torch eager", 1)
    table = profile.table(find_workload("test_vit"))
    assert answer.out == (
        f"{place}: test_vit at batch 1 on {profile.device}: {table.dense_ns / 1e6:.2f} ms "
        f"unpruned; the sum of the parts is {profile.errors[0].mean_percent:.1f} % from the "
        "whole\n"
    )
    said = latmodel_command(
        capsys, "predict", "--model", "test_vit", "--device-profile", str(place)
    )
    assert said.status == 0
    assert said.out.startswith("  101 tokens ")


def test_an_old_profile_is_kept_until_the_new_one_is_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of probing: 130, the old file as it was, nothing beside it."""
    place = tmp_path / "here.yaml"
    place.write_text("old")

    def interrupted(_: object, **_options: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(TorchEager, "ends_ns", interrupted)
    answer = probe(capsys, *SMALL, "--out", place)
    assert (answer.status, answer.out) == (130, "")
    assert answer.err.rstrip().endswith("latmodel: interrupted")
    assert place.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["here.yaml"]


def test_a_noisy_machine_is_warned_of_in_file_and_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = cycle((100, 125, 145))

    def noisy(_timer: object, _count: int, *, repeats: int) -> tuple[int, ...]:
        return tuple(next(samples) for _ in range(repeats))

    monkeypatch.setattr(TorchEager, "blocks_ns", noisy)
    answer = probe(capsys, *SMALL, "--out", tmp_path / "here.yaml")
    assert answer.status == 0
    warnings = read_profile(tmp_path / "here.yaml").warnings
    assert "probes spread by more than 10% (worst " in warnings[0]
    assert answer.err.endswith("".join(f"warning: {warning}\n" for warning in warnings))


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be timed: what is wrong is said before minutes are spent."""

    def timed(*_: object, **__: object) -> tuple[int, ...]:
        raise AssertionError

    monkeypatch.setattr("latmodel.runtimes.module_timer.time_ns", timed)


@pytest.mark.usefixtures("untimed")
def test_a_missing_folder_is_said_before_anything_is_timed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = tmp_path / "none" / "here.yaml"
    assert probe(capsys, *SMALL, "--out", place) == Answer(
        2, "", f"latmodel: {place}: cannot write: there is no folder {place.parent}\n"
    )
    assert not place.parent.exists()


@pytest.mark.usefixtures("untimed")
def test_a_folder_for_a_file_is_said_before_anything_is_timed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert probe(capsys, *SMALL, "--out", tmp_path) == Answer(
        2, "", f"latmodel: {tmp_path}: cannot write: Is a directory\n"
    )


@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("test_vitt", "has no model 'test_vitt'; did you mean test_vit"),
        ("swin_tiny_patch4_window7_224", "swin_tiny_patch4_window7_224 is a SwinTransformer: "),
        ("test_vit.nonsense", "has no model 'test_vit.nonsense': "),
    ],
)
def test_a_model_that_cannot_be_timed_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: str, words: str
) -> None:
    answer = probe(capsys, "--model", model, "--out", tmp_path / "here.yaml")
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.err
    assert answer.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("device", ["gpu", "meta", "cpu:x"])
def test_a_device_that_is_none_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, device: str
) -> None:
    options = ("--model", "test_vit", "--device", device)
    answer = probe(capsys, *options, "--out", tmp_path / "here.yaml")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.count("\n") == 1


def test_samples_are_what_the_clock_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that counts its own readings makes every call one tick long."""
    ticks = iter(range(10**9))
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: 1000 * next(ticks))
    place = tmp_path / "here.yaml"
    assert probe(capsys, *SMALL, "--out", place).status == 0
    (curves,) = read_profile(place).curves
    assert curves.blocks.probes[0] == Measurement(1, (1000,) * 15)
    assert curves.ends_ns == 1000
