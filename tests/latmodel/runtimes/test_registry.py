from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from latmodel import extras
from latmodel.errors import MeasurementError, MissingExtraError, WorkloadError
from latmodel.runtimes import registry
from latmodel.runtimes.registry import build_timer
from latmodel.runtimes.torch_compile import TorchCompile
from latmodel.runtimes.torch_eager import TorchEager

ROOT = Path(__file__).resolve().parents[3]
MODEL = "test_vit"


def test_names_are_known_without_any_runtime() -> None:
    """A command offers its choices before anything heavy is imported."""
    code = (
        "import sys; from latmodel.runtimes.registry import RUNTIMES; print(*RUNTIMES); "
        "print({'torch', 'timm', 'onnx', 'onnxruntime', 'openvino'} & set(sys.modules))"
    )
    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "torch-eager torch-compile cuda-graph onnxruntime openvino\nset()\n"


def test_every_runtime_has_a_file_of_the_package() -> None:
    folder = ROOT / "latmodel" / "runtimes"
    for known in registry._KNOWN.values():
        assert f"class {known.kind}(ModuleTimer)" in (folder / f"{known.file}.py").read_text()


def test_options_reach_the_runtime() -> None:
    timer = build_timer("torch-eager", MODEL, batch=3, dtype="bf16", device="cpu", threads=1)
    assert type(timer) is TorchEager
    assert (timer.workload.batch, timer.workload.dtype) == (3, "bf16")
    assert timer.environment().threads == 1
    assert type(build_timer("torch-compile", MODEL, device="cpu")) is TorchCompile


@pytest.mark.parametrize("runtime", ["tensorrt", "torch_eager", ""])
def test_an_unknown_runtime_is_refused(runtime: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        build_timer(runtime, MODEL)
    assert str(caught.value) == (
        f"runtime is {runtime!r}: must be one of torch-eager, torch-compile, cuda-graph, "
        "onnxruntime, openvino"
    )


@pytest.mark.parametrize(
    ("runtime", "absent", "message"),
    [
        (
            "onnxruntime",
            ("onnxruntime", "onnxscript"),
            "onnxruntime needs onnxruntime and onnxscript, which this Python lacks: "
            "pip install 'token-budget[onnxruntime]'",
        ),
        (
            "openvino",
            ("openvino",),
            "openvino needs openvino, which this Python lacks: "
            "pip install 'token-budget[openvino]'",
        ),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, runtime: str, absent: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in absent else True)
    with pytest.raises(MissingExtraError) as caught:
        build_timer(runtime, MODEL)
    assert str(caught.value) == message


def test_every_extra_is_offered() -> None:
    """What the message says to install exists, with the packages that are looked for."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for known in registry._KNOWN.values():
        if known.extra:
            (line,) = (ln for ln in text.splitlines() if ln.startswith(f"{known.extra} = "))
            assert all(f'"{package}>=' in line for package in known.packages)


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(WorkloadError) as caught:
        build_timer("torch-eager", MODEL, dtype="int8", device="cpu")
    assert str(caught.value) == "dtype is 'int8': must be one of fp32, fp16, bf16"
