from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from latmodel import extras
from latmodel.errors import MissingExtraError, ProfileError, UnknownModelError
from latmodel.runtimes.exporting import PartExporter
from latmodel.workloads import find_workload

MODEL, FULL, WIDTH = "test_vit", 101, 64


def require(*packages: str) -> None:
    for package in packages:
        pytest.importorskip(
            package, reason=f"needs {package}: pip install 'token-budget[onnx]'"
        )


@pytest.fixture
def exporter() -> tuple[PartExporter, Any]:
    """The exporter, and the model whose parts it writes."""
    require("onnx", "onnxscript")
    writer = PartExporter(MODEL, batch=2)
    return writer, writer._parts.model


def run(path: Path, seed: int = 0) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Inputs of the shapes that the file names, and what ONNX Runtime makes of them."""
    require("onnxruntime")
    import onnxruntime  # noqa: PLC0415 (optional)

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(seed)
    shapes = [tuple(entry.shape) for entry in session.get_inputs()]
    inputs = [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]
    names = [entry.name for entry in session.get_inputs()]
    outputs = session.run(None, dict(zip(names, inputs, strict=True)))
    return list(map(torch.from_numpy, inputs)), list(map(torch.from_numpy, outputs))


def test_a_block_is_timms_own(exporter: tuple[PartExporter, Any], tmp_path: Path) -> None:
    writer, model = exporter
    writer.write("block", 50, tmp_path / "it.onnx")
    (x,), (found,) = run(tmp_path / "it.onnx")
    assert x.shape == (2, 50, WIDTH)
    with torch.inference_mode():
        torch.testing.assert_close(found, model.blocks[0](x))
    assert [path.name for path in tmp_path.iterdir()] == ["it.onnx"]


def test_an_mlp_half_is_what_follows_the_attention(
    exporter: tuple[PartExporter, Any], tmp_path: Path
) -> None:
    writer, model = exporter
    writer.write("mlp", 7, tmp_path / "it.onnx")
    (x,), (found,) = run(tmp_path / "it.onnx")
    assert x.shape == (2, 7, WIDTH)
    block = model.blocks[0]
    with torch.inference_mode():
        torch.testing.assert_close(found, x + block.mlp(block.norm2(x)))


def softmax(x: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    total: npt.NDArray[np.float32] = powers / powers.sum(axis=axis, keepdims=True)
    return total


@pytest.mark.parametrize("count", [1, 50])
def test_a_cut_keeps_the_best_tokens_and_averages_the_rest(
    exporter: tuple[PartExporter, Any], tmp_path: Path, count: int
) -> None:
    """By attention received, in the strongest head, plus softmax of the values over tokens."""
    writer, _ = exporter
    writer.write("cut", count, tmp_path / "it.onnx")
    inputs, (found,) = run(tmp_path / "it.onnx")
    x, q, k, v = (tensor.numpy() for tensor in inputs)
    assert [t.shape for t in (x, q, k, v)] == [(2, FULL, WIDTH), *[(2, 2, FULL, 32)] * 3]
    received = softmax(q @ k.swapaxes(2, 3) / np.sqrt(32), 3).max(axis=1).sum(axis=1)
    values = softmax(v, 2).max(axis=1).sum(axis=2)
    scores = received / received.max(axis=1, keepdims=True) + values
    for image, score in enumerate(scores):
        best = np.sort(np.argsort(-score)[: count - 1])
        rest = np.delete(x[image], best, axis=0).mean(axis=0, keepdims=True)
        expected = np.concatenate((x[image][best], rest))
        torch.testing.assert_close(found[image], torch.from_numpy(expected))


def test_the_ends_hold_the_embedding_and_the_head(
    exporter: tuple[PartExporter, Any], tmp_path: Path
) -> None:
    """The embedding must come out, or a compiler leaves it out."""
    writer, model = exporter
    writer.write("ends", FULL, tmp_path / "it.onnx")
    (images, x), (embedded, logits) = run(tmp_path / "it.onnx")
    with torch.inference_mode():
        expected = model.norm_pre(model._pos_embed(model.patch_embed(images)))
        torch.testing.assert_close(embedded, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(logits, model.forward_head(model.norm(x)))


def test_the_model_is_the_whole(exporter: tuple[PartExporter, Any], tmp_path: Path) -> None:
    writer, model = exporter
    writer.write("model", FULL, tmp_path / "it.onnx")
    (images,), (logits,) = run(tmp_path / "it.onnx")
    with torch.inference_mode():
        torch.testing.assert_close(logits, model(images), rtol=1e-4, atol=1e-4)


def test_a_file_is_of_the_dtype_asked(tmp_path: Path) -> None:
    """Inputs, outputs and weights; 16 is bfloat16 in ONNX's TensorProto."""
    require("onnx", "onnxscript")
    import onnx  # noqa: PLC0415 (optional)

    PartExporter(MODEL, dtype="bf16").write("mlp", 3, tmp_path / "it.onnx")
    graph = onnx.load(tmp_path / "it.onnx").graph
    ends = [entry.type.tensor_type.elem_type for entry in (*graph.input, *graph.output)]
    weights = [entry.data_type for entry in graph.initializer if len(entry.dims) == 2]
    assert (ends, weights) == ([16] * 2, [16] * 2)


def test_an_exporter_knows_its_workload(exporter: tuple[PartExporter, Any]) -> None:
    writer, _ = exporter
    assert writer.workload == find_workload(MODEL, batch=2)


def test_what_cannot_be_written_is_refused(
    exporter: tuple[PartExporter, Any], tmp_path: Path
) -> None:
    writer, _ = exporter
    with pytest.raises(ProfileError) as caught:
        writer.write("head", 3, tmp_path / "it.onnx")
    assert str(caught.value) == ("part is 'head': must be one of block, mlp, cut, ends, model")
    with pytest.raises(ProfileError) as caught:
        writer.write("mlp", 3, tmp_path / "none" / "it.onnx")
    assert str(caught.value) == (
        f"{tmp_path}/none/it.onnx: cannot write: there is no folder {tmp_path}/none"
    )


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == missing else True)
    with pytest.raises(MissingExtraError) as caught:
        PartExporter(MODEL)
    assert str(caught.value) == (
        f"writing ONNX files needs {missing}, which this Python lacks: "
        "pip install 'token-budget[onnx]'"
    )


def test_an_unknown_model_is_refused() -> None:
    require("onnx", "onnxscript")
    with pytest.raises(UnknownModelError):
        PartExporter("test_vitt")
