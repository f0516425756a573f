"""Cut models outside of eager: compiled, exported, traced, and as ONNX files in runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from latmodel.runtimes.exporting import write_onnx
from optimizer.errors import ExportError
from optimizer.exporting import export_model
from optimizer.plan import DROPPED, SCORES
from optimizer.pruning import apply
from optimizer.pruning.exportable import exportable
from optimizer.pruning.steadying import steady_images

from .exported import CANNOT, FAMILIES, cut, exported
from .small import losing as small_losing
from .small import size_of, small
from .tiny import anatomy, images, logits, losing, tiny

each_family = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(package, reason="needs pip install 'token-budget[test]'")
    return tmp_path_factory.mktemp("exported")


def apart(found: torch.Tensor, wanted: torch.Tensor) -> float:
    assert found.shape == wanted.shape
    return float((found - wanted).norm() / wanted.norm())


@each_family
def test_a_file_answers_as_eager_in_both_runtimes(name: str, folder: Path) -> None:
    """As the export says, and as the runtime does when it is asked directly."""
    import onnxruntime  # noqa: PLC0415 (optional)

    path, parities = exported(name, folder)
    assert [parity.runtime for parity in parities] == ["onnxruntime", "openvino"]
    assert all(0 < parity.error <= 1e-5 for parity in parities)
    model, batch = cut(name)
    steady = steady_images(model, (2, *batch.shape[1:])).images
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: steady.numpy()})
    assert apart(torch.from_numpy(found), logits(model, steady)) < 1e-5


@each_family
def test_a_graph_holds_fixed_sizes_and_no_scatter(name: str, folder: Path) -> None:
    """Nor a branch or a loop."""
    import onnx  # noqa: PLC0415 (optional)

    path, _ = exported(name, folder)
    graph = onnx.load(path).graph
    kinds = {node.op_type for node in graph.node}
    assert "TopK" in kinds
    assert not {kind for kind in kinds if kind.startswith(("Scatter", "Loop", "If", "NonZero"))}
    for value in (*graph.input, *graph.output, *graph.value_info):
        assert all(size.dim_value for size in value.type.tensor_type.shape.dim), value.name


@each_family
def test_the_model_stays_as_it_was(name: str) -> None:
    """What is set right for the exporter is set on a twin."""
    model, batch = cut(name)
    parts, weights, answer = (
        anatomy(model),
        dict(model.named_parameters()),
        logits(model, batch),
    )
    other = exportable(model, batch)
    assert apart(logits(other, batch), answer) < 1e-5
    assert anatomy(model) == parts
    assert all(weight is weights[key] for key, weight in model.named_parameters())
    assert torch.equal(logits(model, batch), answer)


ONLY_COMPILED = list(FAMILIES)[::3]
"""Capturing the whole graph is the same work for both, so it is done once for each family."""


@pytest.mark.parametrize(
    "name",
    [name for name in (*FAMILIES, *(name for name, _ in CANNOT)) if name not in ONLY_COMPILED],
)
def test_one_graph_is_exported(name: str) -> None:
    """In torch.export's strict way, by the compiler's own capture of a whole graph; its
    other way is the ONNX files'.
    """  # noqa: D205 (one sentence)
    torch.compiler.reset()
    model, batch = cut(name)
    program = torch.export.export(model, (batch,), strict=True)
    assert apart(logits(program.module(), batch), logits(model, batch)) < 1e-5
    assert not [node for node in program.graph.nodes if "scatter" in str(node.target)]


@pytest.mark.parametrize("name", ONLY_COMPILED)
def test_one_graph_is_compiled(name: str) -> None:
    torch.compiler.reset()
    model, batch = cut(name)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert apart(logits(compiled, batch), logits(model, batch)) < 1e-5


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "vit_relpos_small_patch16_224"])
def test_a_bias_that_is_learned_is_exported(name: str, folder: Path) -> None:
    """Also outside of no_grad, where torch exports no fused attention with such a bias."""
    model, batch = cut(name)
    with pytest.raises(torch.onnx.errors.OnnxExporterError):
        write_onnx(model, (batch,), folder / "fused.onnx")
    write_onnx(exportable(model, batch), (batch,), folder / "unfused.onnx")


def test_inductor_compiles_it() -> None:
    torch.compiler.reset()
    model, batch = cut("vit_small_patch16_rope_224")
    compiled = torch.compile(model, fullgraph=True)
    steady = steady_images(model, (2, *batch.shape[1:])).images
    assert apart(logits(compiled, steady), logits(model, steady)) < 1e-5


# Newer torch warns that it prefers its other ways.
@pytest.mark.filterwarnings(
    "ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)
@each_family
def test_a_traced_model_answers_for_other_images(name: str) -> None:
    """No index of the example is built in."""
    model, batch = cut(name)
    jit: Any = torch.jit
    with torch.no_grad():
        traced = jit.trace(model, batch, check_trace=False)
    other = images(2, size=batch.shape[-1], seed=5)
    assert apart(logits(traced, other), logits(model, other)) < 1e-5


@pytest.mark.parametrize(
    ("score", "dropped"),
    [(score, DROPPED[index % len(DROPPED)]) for index, score in enumerate(SCORES)],
)
def test_every_score_on_a_plain_model(score: str, dropped: str, folder: Path) -> None:
    """And each way of dropping twice."""
    model = tiny(depth=1)
    apply(model, losing(model, 5), score, dropped)
    (parity,) = export_model(model, folder / f"{score}.onnx", runtime="onnxruntime")
    assert parity.error < 1e-5


def test_any_batch(folder: Path) -> None:
    """One file, at the batch it was written for and at others."""
    import onnxruntime  # noqa: PLC0415 (optional)

    model = tiny(depth=2)
    apply(model, losing(model, 4, 5), "cls", "average")
    path = folder / "any.onnx"
    parities = export_model(model, path, any_batch=True)
    assert [parity.batches for parity in parities] == [(1, 2), (1, 2)]
    steady = steady_images(model, (5, 3, 32, 32)).images
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 5):
        (found,) = session.run(None, {"in0": steady[:count].numpy()})
        assert apart(torch.from_numpy(found), logits(model, steady[:count])) < 1e-5


@pytest.mark.parametrize(("name", "what"), CANNOT)
def test_what_a_family_cannot_do_is_refused_by_name(name: str, what: str, folder: Path) -> None:
    """And nothing is written."""
    assert what == "onnx"
    model, batch = cut(name)
    path = folder / "refused.onnx"
    with pytest.raises(ExportError) as refused:
        export_model(model, path, image=tuple(batch.shape[1:]))  # type: ignore[arg-type]
    assert str(refused.value) == (
        "found timm's Gemma4VitEncoder, which cannot be written as an ONNX file: torch's ONNX "
        "exporter joins the two clamps between its layers into one and loses its limits, with "
        "and without a schedule, so that no runtime loads the file; run it by torch"
    )
    assert not path.exists()


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "vit_srelpos_small_patch16_224"])
def test_biases_export_with_any_batch(name: str) -> None:
    """How many images there are is built into no gather of theirs."""
    model, batch = small(name), images(2, size=size_of(name))
    apply(model, small_losing(model, batch, 3, 5, 0), "cls", "average")
    dim = torch.export.Dim("batch")
    program = torch.export.export(model, (batch,), dynamic_shapes=({0: dim},))
    more = images(3, size=size_of(name))
    torch.testing.assert_close(program.module()(more), logits(model, more))
