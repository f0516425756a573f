from __future__ import annotations

import numpy as np
import pytest
import torch

from latmodel.errors import MeasurementError
from tests.latmodel.runtimes.small import numbers, random_timer, shrink

pytest.importorskip("onnxscript", reason="the extra openvino is not installed")
pytest.importorskip("openvino", reason="the extra openvino is not installed")

import openvino

from latmodel.runtimes.devices import cpu_name
from latmodel.runtimes.open_vino import OpenVino

MODEL = "deit_tiny_patch16_224"


@pytest.fixture(scope="module")
def timer() -> OpenVino:
    made = random_timer("openvino", threads=2)
    assert isinstance(made, OpenVino)
    return made


def test_each_count_is_compiled_for_itself_from_one_export(timer: OpenVino) -> None:
    models = {id(timer._model(timer._parts.mlps(count))) for count in (1, 4, 9)}
    assert len(models) == 1
    assert timer._model(timer._parts.mlps(4)).is_dynamic()
    timer.mlps_ns(4, repeats=1)
    assert timer._model(timer._parts.mlps(4)).is_dynamic()


def test_weights_outlive_the_file_they_were_read_from() -> None:
    """Small ones are read at once, large ones when a count is compiled."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch, embed_dim=384, num_heads=6, depth=1)
        timer = OpenVino(MODEL)
    part = timer._parts.mlps(4)
    with torch.inference_mode():
        expected = numbers(part.module(*part.inputs))
    np.testing.assert_allclose(numbers(timer.prepare(part)()), expected, rtol=0, atol=1e-4)


def test_weights_count_against_what_may_be_kept(timer: OpenVino) -> None:
    """The MLP halves of two blocks: fp32, and a little for shapes and the like."""
    part = timer._parts.mlps(9)
    blocks = timer._parts.model.blocks
    weights = 4 * sum(
        p.numel() for b in blocks for m in (b.mlp, b.norm2, b.ls2) for p in m.parameters()
    )
    assert weights <= timer._cost_bytes(part) <= 1.01 * weights
    before = timer._held_bytes
    timer.mlps_ns(9, repeats=1)
    timer.mlps_ns(9, repeats=1)
    assert timer._held_bytes == before + timer._cost_bytes(part)
    assert timer.kept_bytes >= 2**28


def settings_of(timer: OpenVino, monkeypatch: pytest.MonkeyPatch) -> openvino.CompiledModel:
    """What a part was compiled to."""
    made: list[openvino.CompiledModel] = []
    core = timer._core

    class Watching:
        def compile_model(self, *arguments: object) -> openvino.CompiledModel:
            made.append(core.compile_model(*arguments))
            return made[-1]

    monkeypatch.setattr(timer, "_core", Watching())
    timer.prepare(timer._parts.mlps(4))
    return made[0]


def test_the_precision_and_threads_asked_for_are_used(
    timer: OpenVino, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU with bf16 would compute fp32 models in it by default."""
    compiled = settings_of(timer, monkeypatch)
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2
    assert not compiled.input(0).partial_shape.is_dynamic


def test_the_environment_names_the_runtime(timer: OpenVino) -> None:
    found = timer.environment()
    assert (found.runtime, found.runtime_version) == ("openvino", openvino.__version__)
    assert (found.device, found.threads, found.dtype) == (cpu_name(), 2, "fp32")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(MeasurementError) as caught:
        OpenVino(MODEL, device="cuda")
    found = ", ".join(openvino.Core().available_devices).lower()
    assert str(caught.value) == f"device is 'cuda': OpenVINO finds {found} here"


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_a_dtype_that_the_processor_lacks_is_refused(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor that only has fp32, whatever this one has."""

    class Core:
        available_devices = ("CPU",)

        def get_property(self, _device: str, _name: str) -> list[str]:
            return ["FP32", "INT8", "BIN"]

    monkeypatch.setattr(openvino, "Core", Core)
    with pytest.raises(MeasurementError) as caught:
        OpenVino(MODEL, dtype=dtype)
    assert str(caught.value) == (
        f"dtype is {dtype!r}: OpenVINO computes in fp32 on {cpu_name()}"
    )
