from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

import click
import pytest
import torch

from latmodel import timing
from latmodel.catalogue import read_profile
from latmodel.cli.findings import findings
from latmodel.cli.probe import probe as command
from latmodel.errors import MeasurementError
from latmodel.measurement import Measurement
from latmodel.runtimes.torch_eager import TorchEager
from latmodel.workloads import find_workload
from tests.latmodel.cli.command import Answer, latmodel_command

SMALL = ("--model", "test_vit", "--device", "cpu", "--max-probes", "3", "--seconds", "0.1")
"""Three rounds are made, whatever they take."""

FINDING = re.compile(
    r"  (\d+ to \d+ tokens: [+-]\d+%, [^;]+(; \d+ tokens cost no more than \d+)?"
    r"|and \d+ smaller"
    r"|only measured counts can be trusted at \d[^a-z]*( to \d+[^a-z]*)*( and elsewhere)?)"
)
"""The lines that may follow a profile's own; which of them do is up to this machine."""


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
    assert all(len(probe.samples_ns) >= 3 for probe in curves.blocks.probes)
    environment = profile.environment
    assert environment is not None
    assert (environment.runtime, environment.threads) == ("torch eager", 1)
    table = profile.table(find_workload("test_vit"))
    summary, *lines = answer.out.splitlines()
    assert summary == (
        f"{place}: test_vit at batch 1 on {profile.device}: {table.dense_ns / 1e6:.2f} ms "
        f"unpruned; the sum of the parts is {profile.errors[0].mean_percent:.1f} % from the "
        "whole"
    )
    assert lines == list(findings(curves))
    assert all(FINDING.fullmatch(line) for line in lines)
    said = latmodel_command(
        capsys, "predict", "--model", "test_vit", "--device-profile", str(place)
    )
    assert said.status == 0
    assert said.out.startswith("  101 tokens ")


def interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C while the whole model is timed for the third time."""
    calls = count(1)
    timed = TorchEager.model_ns

    def pressed(timer: TorchEager, *, repeats: int) -> tuple[int, ...]:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return timed(timer, repeats=repeats)

    monkeypatch.setattr(TorchEager, "model_ns", pressed)


def test_an_interrupted_probe_is_gone_on_with(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C: 130, the old file as it was, a journal beside it; --resume finishes."""
    place, journal = tmp_path / "here.yaml", tmp_path / "here.yaml.partial"
    place.write_text("old")
    interrupt(monkeypatch)
    answer = probe(capsys, *SMALL, "--out", place)
    assert (answer.status, answer.out) == (130, "")
    assert answer.err.splitlines()[-1] == (
        f"latmodel: interrupted; the same command with --resume goes on from {journal}"
    )
    assert place.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {place.name, journal.name}
    header, *taken = [json.loads(line) for line in journal.read_text().splitlines()]
    assert header["settings"]["limit_s"] == 0.1

    assert probe(capsys, *SMALL, "--out", place) == Answer(
        2,
        "",
        f"latmodel: {journal}: the journal of an interrupted probe; go on with it by "
        "--resume, or remove it\n",
    )

    answer = probe(capsys, *SMALL, "--out", place, "--resume")
    assert answer.status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["here.yaml"]
    for part in ("blocks", "mlps", "cut"):
        for read in getattr(read_profile(place).curves[0], part).probes:
            before = [
                sample
                for reading in taken
                if (reading["phase"], reading["part"]) == ("turn", part)
                if reading["count"] == read.count
                for sample in reading["samples_ns"]
            ]
            assert list(read.samples_ns[: len(before)]) == before


def test_an_interrupt_before_anything_is_read_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(TorchEager, "environment", interrupted)
    answer = probe(capsys, *SMALL, "--out", tmp_path / "here.yaml")
    assert (answer.status, answer.out) == (130, "")
    assert answer.err.rstrip().endswith("latmodel: interrupted")
    assert not list(tmp_path.iterdir())


def test_a_journal_of_another_command_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "here.yaml"
    interrupt(monkeypatch)
    probe(capsys, *SMALL, "--out", place)
    kept = (tmp_path / "here.yaml.partial").read_bytes()
    answer = probe(capsys, *SMALL, "--out", place, "--resume", "--batch", "2")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.endswith(
        f"latmodel: {place}.partial: workload.batch is 2 here and 1 in the journal: go on "
        "with the same command, or remove the journal\n"
    )
    assert (tmp_path / "here.yaml.partial").read_bytes() == kept


@pytest.fixture
def two_runtimes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Eager mode by two names; the names as they are built."""
    built: list[str] = []

    def build(runtime: str, model: str, *, threads: int | None, **options: Any) -> TorchEager:
        assert threads is None
        built.append(runtime)
        return TorchEager(model, **options)

    (runtime,) = (option for option in command.params if option.name == "runtimes")
    monkeypatch.setattr(runtime, "type", click.Choice(["one", "two"]))
    monkeypatch.setattr(sys.modules["latmodel.cli.probe"], "build_timer", build)
    return built


TWO = ("--runtime", "one", "--runtime", "two")


def test_several_runtimes_make_a_profile_each(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, two_runtimes: list[str]
) -> None:
    answer = probe(capsys, *SMALL, *TWO, "--out", tmp_path / "here.yaml")
    assert answer.status == 0
    assert two_runtimes == ["one", "two"]
    names = ["here-one.yaml", "here-two.yaml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    said = [line for line in answer.out.splitlines() if not FINDING.fullmatch(line)]
    assert [line.split(": ")[0] for line in said] == [str(tmp_path / name) for name in names]
    assert [read_profile(tmp_path / name).name for name in names] == ["here-one", "here-two"]


def test_each_runtime_times_the_same_model_in_its_own_way(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """End to end with two that share nothing but the model's weights."""
    extra = "needs pip install 'token-budget[onnxruntime]'"
    _, _, onnxruntime = (
        pytest.importorskip(name, reason=extra)
        for name in ("onnx", "onnxscript", "onnxruntime")
    )
    runtimes = {
        "onnxruntime": ("onnxruntime", onnxruntime.__version__),
        "torch-eager": ("torch eager", str(torch.__version__)),
    }
    asked = [word for name in runtimes for word in ("--runtime", name)]
    answer = probe(capsys, *SMALL, *asked, "--out", tmp_path / "x.yaml")
    assert answer.status == 0
    places = {name: tmp_path / f"x-{name}.yaml" for name in runtimes}
    assert sorted(tmp_path.iterdir()) == sorted(places.values())
    for name, (runtime, version) in runtimes.items():
        profile = read_profile(places[name])
        environment = profile.environment
        assert environment is not None
        assert (environment.runtime, environment.threads) == (runtime, 1)
        assert environment.runtime_version == version
        assert profile.provenance[0].source == f"latmodel probe, {runtime} {version}"
        (curves,) = profile.curves
        assert curves.workload == find_workload("test_vit")


def test_several_runtimes_go_on_with_the_one_that_was_interrupted(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    two_runtimes: list[str],
) -> None:
    """The first is finished; only the second is built and measured again."""
    timed = TorchEager.model_ns

    def pressed(timer: TorchEager, *, repeats: int) -> tuple[int, ...]:
        if len(two_runtimes) == 2 and (tmp_path / "here-one.yaml").exists():
            raise KeyboardInterrupt
        return timed(timer, repeats=repeats)

    monkeypatch.setattr(TorchEager, "model_ns", pressed)
    answer = probe(capsys, *SMALL, *TWO, "--out", tmp_path / "here.yaml")
    assert answer.status == 130
    left = ["here-one.yaml", "here-two.yaml.partial"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    first = (tmp_path / "here-one.yaml").read_bytes()
    answer = probe(capsys, *SMALL, *TWO, "--out", tmp_path / "here.yaml", "--resume")
    assert answer.status == 0
    assert two_runtimes == ["one", "two", "two"]
    assert f"{tmp_path / 'here-one.yaml'}: finished before, and kept\n" in answer.err
    assert (tmp_path / "here-one.yaml").read_bytes() == first
    assert read_profile(tmp_path / "here-two.yaml").curves


def test_a_runtime_that_is_not_there_is_said_before_any_is_measured(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    two_runtimes: list[str],
) -> None:
    def build(runtime: str, model: str, **_: object) -> TorchEager:
        two_runtimes.append(runtime)
        if runtime == "two":
            raise MeasurementError("two is not installed")
        return TorchEager(model, device="cpu")

    def timed(*_: object, **__: object) -> tuple[int, ...]:
        raise AssertionError

    monkeypatch.setattr(sys.modules["latmodel.cli.probe"], "build_timer", build)
    monkeypatch.setattr("latmodel.runtimes.module_timer.settle", timed)
    answer = probe(capsys, *SMALL, *TWO, "--out", tmp_path / "here.yaml")
    assert answer == Answer(2, "", "latmodel: two is not installed\n")
    assert two_runtimes == ["one", "two"]
    assert not list(tmp_path.iterdir())


def test_threads_are_those_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    torch.set_num_threads(2)
    answer = probe(capsys, *SMALL, "--threads", 1, "--out", tmp_path / "here.yaml")
    assert answer.status == 0
    environment = read_profile(tmp_path / "here.yaml").environment
    assert environment is not None
    assert environment.threads == 1


def test_a_noisy_machine_is_warned_of_in_file_and_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = cycle((100, 125, 145, 110))

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

    monkeypatch.setattr("latmodel.runtimes.module_timer.settle", timed)


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
    assert probe(capsys, *SMALL, "--seconds", "60", "--out", place).status == 0
    (curves,) = read_profile(place).curves
    # Alike from the first on, so seven rounds will do.
    assert curves.blocks.probes[0] == Measurement(1, (1000,) * 7)
    assert curves.ends_ns == 1000
