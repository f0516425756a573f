from __future__ import annotations

import pytest
import torch

from latmodel.clocks import Clocks
from latmodel.errors import MeasurementError
from latmodel.measuring import Effort, PartTimer, probe_profile
from latmodel.runtimes.exporting import onnx_file
from tests.latmodel.runtimes.small import numbers, part_of, random_timer

pytest.importorskip("onnxruntime", reason="the extra onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="the extra onnxruntime is not installed")

import onnxruntime

from latmodel.runtimes.onnx_runtime import OnnxRuntime

MODEL = "deit_tiny_patch16_224"


@pytest.fixture(scope="module")
def timer() -> OnnxRuntime:
    made = random_timer("onnxruntime", device="cpu", threads=2)
    assert isinstance(made, OnnxRuntime)
    return made


def test_one_session_serves_all_counts(timer: OnnxRuntime) -> None:
    """Each session packs weights of its own."""
    sessions = {id(timer._session(timer._parts.mlps(count))) for count in (1, 4, 9)}
    assert len(sessions) == 1
    calls = [timer.prepare(timer._parts.mlps(count)) for count in (4, 9)]
    assert [numbers(call()).shape for call in calls] == [(1, 4, 48), (1, 9, 48)]


def test_sessions_use_the_threads_asked_for_and_let_go_of_them(timer: OnnxRuntime) -> None:
    options = timer._session(timer._parts.mlps(4)).get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


def test_a_profile_is_made_of_what_it_times(timer: OnnxRuntime) -> None:
    """From the first part to the last, few counts and one round of each."""
    offered: PartTimer = timer
    profile = probe_profile(
        offered,
        name="here",
        max_probes=2,
        effort=Effort(rounds=1),
        clocks=lambda _: Clocks(),
    )
    assert profile.environment == timer.environment()
    (curves,) = profile.curves
    assert [c.counts for c in (curves.blocks, curves.mlps, curves.cut)] == [(1, 17)] * 3


def test_half_precision_runs() -> None:
    half = random_timer("onnxruntime", dtype="fp16", device="cpu")
    part = part_of(half, "mlps", 4)
    with torch.inference_mode():
        expected = numbers(part.module(*part.inputs))
    assert abs(numbers(half.prepare(part)()) - expected).max() < 0.05 * abs(expected).max()


def test_the_environment_names_the_runtime(timer: OnnxRuntime) -> None:
    found = timer.environment()
    assert (found.runtime, found.runtime_version) == ("onnxruntime", onnxruntime.__version__)
    assert (found.threads, found.dtype, found.driver) == (2, "fp32", "")
    assert found.torch == torch.__version__


def test_a_dtype_without_kernels_is_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        OnnxRuntime(MODEL, dtype="bf16", device="cpu")
    assert str(caught.value) == (
        "dtype is 'bf16': onnxruntime has no bf16 kernels for these models; allowed are fp32 "
        "and fp16"
    )


def test_an_onnxruntime_without_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where torch finds a CUDA device: nothing runs on the CPU in silence."""
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"]
    )
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(MeasurementError) as caught:
        OnnxRuntime(MODEL, device="cuda")
    assert str(caught.value) == (
        "device is 'cuda': this onnxruntime runs on no CUDA device; install onnxruntime-gpu in "
        "its place, or try cpu"
    )


def test_a_torch_too_old_to_export_is_refused(
    timer: OnnxRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "__version__", "2.1.0a0+nv23.06")
    part = timer._parts.mlps(4)
    with pytest.raises(MeasurementError) as caught, onnx_file(part, most=17):
        pass
    assert str(caught.value) == (
        "torch is 2.1.0a0+nv23.06: exporting to another runtime needs 2.6 or newer; try the "
        "runtime torch-eager"
    )
