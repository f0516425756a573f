from __future__ import annotations

import json
from pathlib import Path

import pytest

from latmodel import extras
from optimizer.cli.groups import exporting
from tests.optimizer.test_optimize_command import Run, command, profile

__all__ = ["command", "profile"]  # fixtures

SOLVE = ("--budget", "20ms", "--model", "test_vit", "--device-profile")


@pytest.fixture(autouse=True)
def needs(request: pytest.FixtureRequest) -> None:
    del request
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs pip install 'token-budget[test]'")


def test_a_solve_exports(command: Run, profile: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    status, out, _ = command(
        *SOLVE, profile, *("--export", file, "--export-runtime", "onnxruntime"), "--rounds", "2"
    )
    assert status == 0
    for part in ("exported", str(file), "parity", "from eager in fp32", "measured", "speed-up"):
        assert part in out
    assert file.stat().st_size > 1e6


def test_a_written_schedule_exports(command: Run, profile: Path, tmp_path: Path) -> None:
    """In each runtime that is installed, to an object; talk on stderr."""
    file, schedule = tmp_path / "model.onnx", tmp_path / "plan.yaml"
    command(*SOLVE, profile, "--out", schedule)
    status, out, _ = command(
        "--schedule", schedule, "--export", file, "--rounds", "2", "--json"
    )
    values = json.loads(out)
    assert status == 0
    assert values["export"]["path"] == str(file)
    assert values["export"]["executed"] == values["tokens"]
    assert all(parity["error"] < 1e-5 for parity in values["export"]["parity"])


def test_nothing_infeasible_is_exported(command: Run, profile: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    status, _, err = command(
        *("--budget", "1us", "--model", "test_vit", "--device-profile", profile),
        *("--export", file),
    )
    assert (status, err) == (1, "not exported: no schedule meets the budget\n")
    assert not file.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--any-batch",), "--any-batch needs --export"),
        (("--export-runtime", "openvino"), "--export-runtime needs --export"),
        (("--export", "none/it.onnx"), "none/it.onnx: cannot write: there is no folder none"),
    ],
)
def test_what_cannot_be_exported_is_said_before_the_solve(
    command: Run, profile: Path, options: tuple[str, ...], said: str
) -> None:
    status, out, err = command(*SOLVE, profile, *options)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("other", ["out", "schedule"])
def test_no_file_is_written_over_another(
    command: Run, profile: Path, tmp_path: Path, other: str
) -> None:
    """The plan would be lost to the model, or the model to the plan; a link is no other."""
    plan, link = tmp_path / "plan.yaml", tmp_path / "it.onnx"
    command(*SOLVE, profile, "--out", plan)
    before = plan.read_text()
    link.symlink_to(plan)
    question = (*SOLVE, profile) if other == "out" else ()
    status, out, err = command(*question, "--export", link, f"--{other}", plan)
    assert (status, out) == (2, "")
    assert err.startswith(f"optimize: --export and --{other} name one file: {plan}")
    assert plan.read_text() == before


def test_a_missing_package_is_named_with_its_extra(
    command: Run, profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnx" else True)
    status, out, err = command(*SOLVE, profile, "--export", tmp_path / "it.onnx")
    assert (status, out) == (2, "")
    assert err == (
        "optimize: --export needs onnx, which this Python lacks: pip install "
        "'token-budget[onnxruntime]'\n"
    )


@pytest.mark.parametrize(
    ("options", "lacking", "said"),
    [
        (("--export-runtime", "openvino"), ("openvino",), "openvino"),
        ((), ("onnxruntime", "openvino"), "onnxruntime"),
    ],
)
def test_a_missing_runtime_is_named_before_the_solve(
    command: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    lacking: tuple[str, ...],
    said: str,
) -> None:
    """Not after it: there is no profile of that name, and it is not yet looked for."""
    for module in (extras, exporting):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name in lacking else True)
    asked = ("--export", tmp_path / "it.onnx", *options)
    status, out, err = command(*SOLVE, tmp_path / "none.yaml", *asked)
    assert (status, out) == (2, "")
    assert err == (
        f"optimize: --export needs {said}, which this Python lacks: pip install "
        f"'token-budget[{said}]'\n"
    )
